// Checks logs of SARIF, a line each on the standard input, by the schema of SARIF 2.1.0 that @microsoft/jest-sarif brings. Prints what is wrong, or the number of results.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.argv[2] + '/');
// The schema is one of JSON Schema's draft 4.
const Ajv = require('ajv-draft-04');
const schema = require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json');

const isUri = (text) => /^[a-z][a-z0-9+.-]*:[^\s]*$/i.test(text);
const formats = { uri: isUri, 'uri-reference': (text) => /^[\w\-.~:/?#[\]@!$&'()*+,;=%]*$/.test(text), 'date-time': true };
const valid = new Ajv({ allErrors: true, strict: false, unicodeRegExp: false, formats }).compile(schema);
for await (const line of createInterface({ input: process.stdin })) {
  const log = JSON.parse(line);
  console.log(valid(log) ? log.runs[0].results.length : JSON.stringify(valid.errors.slice(0, 5)));
}
