// The official TypeScript SDK of MCP: https://www.npmjs.com/package/@modelcontextprotocol/sdk
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { callback, say, settings } from "./settings.mjs";

const { api, clientId, clientSecret, redirectUri } = settings;

// A client that an operator has registered: it registers itself nowhere.
class Registered {
  redirectUrl = redirectUri;
  clientMetadata = { client_name: "Foreign", redirect_uris: [redirectUri] };
  clientInformation() {
    return {
      client_id: clientId,
      ...(clientSecret && { client_secret: clientSecret }),
      token_endpoint_auth_method: clientSecret ? "client_secret_basic" : "none",
    };
  }
  tokens() {
    return this.saved;
  }
  saveTokens(tokens) {
    this.saved = tokens;
  }
  codeVerifier() {
    return this.verifier;
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }
  state() {
    return "s";
  }
  redirectToAuthorization(url) {
    say(url.href);
  }
}

const authProvider = new Registered();
const transport = () => new StreamableHTTPClientTransport(new URL(api), { authProvider });
const client = () => new Client({ name: "tests", version: "1.0.0" });

const first = transport();
try {
  await client().connect(first);
  throw new Error("it connects without a token");
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
}
await first.finishAuth(new URL(await callback()).searchParams.get("code"));

const connected = client();
await connected.connect(transport());
const { content } = await connected.callTool({ name: "caller", arguments: {} });
say(JSON.stringify({ caller: content[0].text, token: authProvider.saved.access_token }));
await connected.close();
