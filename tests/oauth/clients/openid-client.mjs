// openid-client: https://www.npmjs.com/package/openid-client
import * as client from "openid-client";
import { callback, done, say, settings } from "./settings.mjs";

const { api, clientId, clientSecret, issuer, redirectUri, scope } = settings;
const authentication = clientSecret ? client.ClientSecretBasic(clientSecret) : client.None();
const configuration = await client.discovery(new URL(issuer), clientId, undefined, authentication, {
  algorithm: "oauth2",
  execute: [client.allowInsecureRequests],
});

const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const url = client.buildAuthorizationUrl(configuration, {
  redirect_uri: redirectUri,
  scope,
  state,
  resource: api,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
say(url.href);

const first = await client.authorizationCodeGrant(configuration, new URL(await callback()), {
  pkceCodeVerifier: verifier,
  expectedState: state,
});
const call = async (tokens) =>
  (await client.fetchProtectedResource(configuration, tokens.access_token, new URL(`${api}/documents`), "GET")).status;
const statuses = [await call(first)];
const second = await client.refreshTokenGrant(configuration, first.refresh_token);
statuses.push(await call(second));
await client.tokenRevocation(configuration, second.refresh_token);
done(statuses, [first.access_token, second.access_token]);
