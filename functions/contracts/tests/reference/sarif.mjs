// Checks logs of SARIF, a line each on the standard input, by the schema of SARIF 2.1.0 that @microsoft/jest-sarif brings. Prints what is wrong, or the number of results.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.argv[2] + '/node_modules/@microsoft/jest-sarif/lib/index.js');
const Ajv = require('ajv');
const schema = require('./schemas/sarif-2.1.0-rtm.5.json');

const valid = new Ajv({ allErrors: true }).compile(schema);
for await (const line of createInterface({ input: process.stdin })) {
  const log = JSON.parse(line);
  console.log(valid(log) ? log.runs[0].results.length : JSON.stringify(valid.errors.slice(0, 5)));
}
