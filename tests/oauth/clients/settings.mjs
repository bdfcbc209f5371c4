// What the tests tell a client program: its settings in the environment; the authorization URL is printed, the address
// that the user comes back to is read, and at the end what the API answered is printed as JSON.
import { createInterface } from "node:readline";

const { API, CLIENT_ID, CLIENT_SECRET, ISSUER, REDIRECT_URI, SCOPE } = process.env;
export const settings = {
  api: API,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  issuer: ISSUER,
  redirectUri: REDIRECT_URI,
  scope: SCOPE,
};

export const say = (text) => process.stdout.write(`${text}\n`);

export const callback = () =>
  new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin });
    lines.once("line", (line) => {
      resolve(line);
      lines.close();
    });
  });

export const done = (statuses, tokens) => say(JSON.stringify({ statuses, tokens }));
