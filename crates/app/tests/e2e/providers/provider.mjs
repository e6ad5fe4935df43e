// A certified identity provider (npm oidc-provider), which signs everybody in who types a name. Arguments: CERTIFICATE KEY CLIENT_SECRET
// REDIRECT_URI; the folder with `oidc-provider` in POLDER_JUDGE_NODE_OIDC. Says where it listens on standard error.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { pathToFileURL } from 'node:url';

const folder = process.env.POLDER_JUDGE_NODE_OIDC;
const { default: Provider } = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`).href);
const [certificate, key, secret, redirect] = process.argv.slice(2);

const jwk = (pair, more) => ({ ...pair.privateKey.export({ format: 'jwk' }), use: 'sig', ...more });
const keys = [
  jwk(generateKeyPairSync('rsa', { modulusLength: 2048 }), { kid: 'rsa', alg: 'RS256' }),
  jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }), { kid: 'ec', alg: 'ES256' }),
];

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
await new Promise((listens) => server.listen(0, '127.0.0.1', listens));
const issuer = `https://localhost:${server.address().port}`;

const client = (id, alg) => ({
  client_id: id,
  client_secret: secret,
  redirect_uris: [redirect],
  grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_basic',
  id_token_signed_response_alg: alg,
});
const provider = new Provider(issuer, {
  clients: [client('polder', 'ES256'), client('another', 'RS256')],
  cookies: { keys: ['of this test alone'] },
  features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
  jwks: { keys },
  pkce: { required: () => true },
});
server.on('request', provider.callback());
console.error(`ready at ${issuer}`);
