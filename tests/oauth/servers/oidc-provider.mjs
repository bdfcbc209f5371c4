// oidc-provider (https://www.npmjs.com/package/oidc-provider) with the clients and the resource that flint has in the tests.
import Provider, { errors } from "oidc-provider";

const { API, APP_ID, APP_SECRET, CALLBACK, ISSUER, PORT, ROBOT_ID, ROBOT_SECRET, SCOPE } = process.env;

const provider = new Provider(ISSUER, {
  clients: [
    {
      client_id: APP_ID,
      client_secret: APP_SECRET,
      redirect_uris: [CALLBACK],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      application_type: "native",
    },
    {
      client_id: ROBOT_ID,
      client_secret: ROBOT_SECRET,
      redirect_uris: [],
      grant_types: ["client_credentials"],
      response_types: [],
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      getResourceServerInfo(_, resource) {
        if (resource !== API) throw new errors.InvalidTarget();
        return { scope: SCOPE, accessTokenFormat: "jwt" };
      },
    },
  },
  issueRefreshToken: () => true,
  pkce: { required: () => true },
  responseTypes: ["code"],
  rotateRefreshToken: true,
  scopes: [SCOPE, "offline_access"],
});

provider.listen(Number(PORT), "127.0.0.1");
