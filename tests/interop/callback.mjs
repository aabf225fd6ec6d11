// Where a client's user comes back to: a redirect URI on loopback, and the query it is called with.
import { once } from "node:events";
import { createServer } from "node:http";

const server = createServer();
await once(server.listen(0, "127.0.0.1"), "listening");

export const redirectUri = `http://127.0.0.1:${server.address().port}/callback`;

/** Tell the user to open `url`; the query of the callback that follows. */
export async function signIn(url) {
  const called = once(server, "request");
  console.log(`Open ${url}`);
  const [request, response] = await called;
  response.end("You can close this page.");
  return new URL(request.url, redirectUri).searchParams;
}

export function close() {
  server.close();
  server.closeAllConnections();
}
