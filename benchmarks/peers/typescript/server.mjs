// The TypeScript SDK's low-level Server, with a new one for each request, as its handler has it.
//
// 2025-11-25 is served by the transport rather than by the handler's own fallback, which would
// answer with an event stream. Tokens and tools are in memory, and nothing is counted or logged.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import { NodeStreamableHTTPServerTransport, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, Server } from "@modelcontextprotocol/server";
import { Pool } from "undici";

const { PORT, TOKEN, TOOLS, UPSTREAM } = process.env;
const tokens = new Map([[`Bearer ${TOKEN}`, TOKEN]]);
const tools = JSON.parse(readFileSync(TOOLS, "utf8"));
const routes = new Map([["wiv_list_workflows", "/workflows"]]);
const upstream = new Pool(UPSTREAM, { bodyTimeout: 30_000, headersTimeout: 30_000 });

async function callTool({ name, arguments: query }) {
  const answer = await upstream.request({
    method: "GET",
    path: routes.get(name),
    query,
    headers: { "x-api-key": TOKEN },
  });
  const text = JSON.stringify(await answer.body.json());
  return { content: [{ type: "text", text }], isError: answer.statusCode >= 400 };
}

function newServer() {
  const server = new Server({ name: "wiv", version: "1" }, { capabilities: { tools: {} } });
  server.setRequestHandler("tools/list", () => ({ tools }));
  server.setRequestHandler("tools/call", ({ params }) => callTool(params));
  return server;
}

const modern = toNodeHandler(createMcpHandler(newServer, { responseMode: "json" }));

async function legacy(request, response) {
  const options = { sessionIdGenerator: undefined, enableJsonResponse: true };
  const transport = new NodeStreamableHTTPServerTransport(options);
  const server = newServer();
  response.on("close", () => server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response);
}

createServer((request, response) => {
  if (!tokens.has(request.headers.authorization)) {
    response.writeHead(401).end();
    return;
  }
  const isModern = request.headers["mcp-protocol-version"] === "2026-07-28";
  (isModern ? modern : legacy)(request, response);
}).listen(Number(PORT), "127.0.0.1");
