// The operations of OpenAPI documents and where they stand, by the format's own tools: @readme/openapi-parser says which operations there are (references
// of path items followed), `yaml` says in which line each method's key stands. Prints one JSON line for each file.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';

const require = createRequire(process.argv[2] + '/');
const { LineCounter, isMap, parseDocument } = require('yaml');
const { parse } = require('@readme/openapi-parser');

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace', 'query'];

for (const path of process.argv.slice(3)) {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  const lines = new LineCounter();
  const tree = parseDocument(text, { lineCounter: lines, maxAliasCount: 1000 });
  const api = await parse(tree.toJS());
  const found = [];
  for (const [route, own] of Object.entries(api.paths ?? {})) {
    let [item, tokens] = [own, ['paths', route]];
    for (let hops = 0; item && hops < 8; hops += 1) {
      const node = tree.getIn(tokens, true);
      const pairs = isMap(node) ? node.items : [];
      for (const { key } of pairs) {
        if (METHODS.includes(key.value) && !found.some(([method, path]) => method === key.value.toUpperCase() && path === route.trim())) {
          found.push([key.value.toUpperCase(), route.trim(), lines.linePos(key.range[0]).line]);
        }
      }
      for (const { key } of isMap(node) ? (node.get('additionalOperations', true)?.items ?? []) : []) {
        found.push([key.value, route.trim(), lines.linePos(key.range[0]).line]);
      }
      if (!item.$ref?.startsWith('#/')) break;
      tokens = item.$ref.slice(2).split('/').map((token) => decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~'));
      item = tokens.reduce((value, token) => value?.[token], api);
    }
  }
  console.log(JSON.stringify(found));
}
