// What the gateway does with a key that nobody knows: one consistent read, and 401. The loop is as short as a Runtime API client can be, so that Node's own share is
// the smallest possible.
import { createHash } from "node:crypto";
import http from "node:http";
import { createRequire } from "node:module";

const require = createRequire(process.env.PACKAGES + "/");
const { DynamoDBClient, GetItemCommand } = require("@aws-sdk/client-dynamodb");
const client = new DynamoDBClient({});

async function handle(event) {
  const key = event.headers.authorization.split(" ")[1];
  const hash = createHash("sha256").update(key).digest("hex");
  const found = await client.send(new GetItemCommand({
    TableName: process.env.TABLE, Key: { pk: { S: `K#${hash}` }, sk: { S: "K" } }, ConsistentRead: true,
  }));
  const body = JSON.stringify({ type: "about:blank", title: "Unauthorized", status: 401, found: found.Item !== undefined });
  return { statusCode: 401, headers: { "content-type": "application/problem+json" }, body, isBase64Encoded: false };
}

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });
const base = { host, port, agent };

function exchange(options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ ...base, ...options }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

for (;;) {
  const next = await exchange({ path: "/2018-06-01/runtime/invocation/next" });
  const id = next.headers["lambda-runtime-aws-request-id"];
  const answer = JSON.stringify(await handle(JSON.parse(next.body)));
  await exchange({ method: "POST", path: `/2018-06-01/runtime/invocation/${id}/response` }, answer);
}
