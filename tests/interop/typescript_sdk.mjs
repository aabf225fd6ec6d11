// A client on one of the two TypeScript SDKs: node typescript_sdk.mjs sdk|client URL [VERSION]
//
// Calls a tool, waits for a line on standard input, and calls it again. VERSION is a protocol
// version that `client` is to insist on. With a URL that ends with /sse it speaks HTTP+SSE, and says
// whenever it has opened a stream.
import { createInterface } from "node:readline/promises";

import { close, redirectUri, signIn } from "./callback.mjs";

const [sdk, url, version] = process.argv.slice(2);
const packages = {
  sdk: ["index", "streamableHttp", "sse"].map((name) => `@modelcontextprotocol/sdk/client/${name}.js`),
  client: ["@modelcontextprotocol/client"],
};
const modules = await Promise.all(packages[sdk].map((name) => import(name)));
const { Client, StreamableHTTPClientTransport, SSEClientTransport } = Object.assign({}, ...modules);
const Transport = url.endsWith("/sse") ? SSEClientTransport : StreamableHTTPClientTransport;

const kept = {};
let callback;
const authProvider = {
  redirectUrl: redirectUri,
  clientMetadata: {
    client_name: `TypeScript ${sdk}`,
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  codeVerifier: () => kept.codeVerifier,
  saveCodeVerifier: (codeVerifier) => void (kept.codeVerifier = codeVerifier),
  redirectToAuthorization: async (authorizationUrl) => void (callback = await signIn(authorizationUrl)),
};

const client = await connect().catch(signInAndConnect);
console.log(`Speaks ${client.getNegotiatedProtocolVersion?.() ?? "its own version"}`);
console.log(`${(await client.listTools()).tools.length} tools`);
await call();
const input = createInterface({ input: process.stdin });
await input.question("Once more? ");
input.close();
await call();
await client.close();
close();

async function signInAndConnect(error) {
  if (!callback) throw error;
  const transport = new Transport(new URL(url), { authProvider });
  await transport.finishAuth(sdk === "client" ? callback : callback.get("code"));
  return connect();
}

async function connect() {
  const versionNegotiation = version ? { mode: { pin: version } } : undefined;
  const client = new Client({ name: "interop", version: "1" }, { versionNegotiation });
  await client.connect(new Transport(new URL(url), { authProvider, fetch: fetchAndTell }));
  return client;
}

async function fetchAndTell(address, init) {
  const response = await fetch(address, init);
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (isStream && url.endsWith("/sse")) console.log("Opened a stream");
  return response;
}

async function call() {
  const result = await client.callTool({ name: "wiv_list_workflows", arguments: {} });
  if (result.isError) throw new Error(result.content[0].text);
  console.log(`Called: ${JSON.parse(result.content[0].text).data.length} workflows`);
}
