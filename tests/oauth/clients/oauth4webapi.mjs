// oauth4webapi: https://www.npmjs.com/package/oauth4webapi
import * as oauth from "oauth4webapi";
import { callback, done, say, settings } from "./settings.mjs";

const { api, clientId, clientSecret, issuer, redirectUri, scope } = settings;
const options = { [oauth.allowInsecureRequests]: true };
const discovered = await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...options });
const server = await oauth.processDiscoveryResponse(new URL(issuer), discovered);
const client = { client_id: clientId };
const authentication = clientSecret ? oauth.ClientSecretBasic(clientSecret) : oauth.None();

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const url = new URL(server.authorization_endpoint);
url.search = new URLSearchParams({
  client_id: clientId,
  redirect_uri: redirectUri,
  response_type: "code",
  scope,
  state,
  resource: api,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
say(url.href);

const parameters = oauth.validateAuthResponse(server, client, new URL(await callback()), state);
const exchanged = await oauth.authorizationCodeGrantRequest(
  server, client, authentication, parameters, redirectUri, verifier, options);
const first = await oauth.processAuthorizationCodeResponse(server, client, exchanged);
const call = async (tokens) =>
  (await oauth.protectedResourceRequest(tokens.access_token, "GET", new URL(`${api}/documents`), undefined, null, options)).status;
const statuses = [await call(first)];

const answered = await oauth.refreshTokenGrantRequest(server, client, authentication, first.refresh_token, options);
const second = await oauth.processRefreshTokenResponse(server, client, answered);
statuses.push(await call(second));

const revoked = await oauth.revocationRequest(server, client, authentication, second.refresh_token, options);
await oauth.processRevocationResponse(revoked);
done(statuses, [first.access_token, second.access_token]);
