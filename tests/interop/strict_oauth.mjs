// An OAuth client on oauth4webapi, which checks each answer against its RFC: node strict_oauth.mjs URL
import * as oauth from "oauth4webapi";

import { close, redirectUri, signIn } from "./callback.mjs";

const resource = new URL(process.argv[2]);
const options = { [oauth.allowInsecureRequests]: true };

const protectedResource = await oauth.processResourceDiscoveryResponse(
  resource,
  await oauth.resourceDiscoveryRequest(resource, options),
);
const issuer = new URL(protectedResource.authorization_servers[0]);
const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...options, algorithm: "oauth2" }),
);

const client = await oauth.processDynamicClientRegistrationResponse(
  await oauth.dynamicClientRegistrationRequest(
    server,
    {
      client_name: "oauth4webapi",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
    options,
  ),
);
const authentication = oauth.None();

const codeVerifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const query = new URLSearchParams({
  response_type: "code",
  client_id: client.client_id,
  redirect_uri: redirectUri,
  scope: protectedResource.scopes_supported.join(" "),
  resource: resource.href,
  code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
  code_challenge_method: "S256",
  state,
});
const answer = oauth.validateAuthResponse(
  server,
  client,
  await signIn(`${server.authorization_endpoint}?${query}`),
  state,
);
close();

const tokens = await oauth.processAuthorizationCodeResponse(
  server,
  client,
  await oauth.authorizationCodeGrantRequest(
    server,
    client,
    authentication,
    answer,
    redirectUri,
    codeVerifier,
    { ...options, additionalParameters: { resource: resource.href } },
  ),
);
await listTools(tokens);

const refreshed = await oauth.processRefreshTokenResponse(
  server,
  client,
  await oauth.refreshTokenGrantRequest(
    server,
    client,
    authentication,
    tokens.refresh_token,
    { ...options, additionalParameters: { resource: resource.href } },
  ),
);
await listTools(refreshed);

await oauth.processRevocationResponse(
  await oauth.revocationRequest(server, client, authentication, refreshed.refresh_token, options),
);
try {
  await listTools(refreshed);
} catch (error) {
  const [challenge] = error.cause;
  console.log(`After the revocation: ${error.status} ${challenge.parameters.error}`);
}

/** Throws WWWAuthenticateChallengeError when the token is refused. */
async function listTools({ access_token: accessToken }) {
  const response = await oauth.protectedResourceRequest(
    accessToken,
    "POST",
    resource,
    new Headers({
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    }),
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    options,
  );
  const { result } = await response.json();
  console.log(`${result.tools.length} tools`);
}
