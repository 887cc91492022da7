/** Verifiers that talk to others: a partner's published keys, and pages in browsers; in real Node-RED. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import jsonwebtoken from 'jsonwebtoken';
import { type FlowNode, nodeRedVersions, startNodeRed } from '../support/node-red.ts';
import { problemOf, send } from '../webhook/http.ts';
import { exampleSecret, signStandard } from '../webhook/sign.ts';

const issuer = 'https://login.example.org/';
const pair = (): { publicKey: KeyObject; privateKey: KeyObject } => generateKeyPairSync('ec', { namedCurve: 'P-256' });

function flow(jwksUrl: string): FlowNode[] {
  const verifier = { z: 'tab', type: 'webhook-verifier', configVersion: 1, wires: [['reply'], []] };
  const signed = { ...verifier, keys: [{ id: 'k', slot: 1 }], credentials: { secret1: exampleSecret } };
  return [
    { id: 'tab', type: 'tab', label: 'webhooks' },
    {
      ...verifier,
      id: 'token',
      url: '/hooks/token',
      scheme: 'jwt',
      options: { issuer, audience: 'node-red', jwksUrl, loopbackHttp: true },
      keys: [],
    },
    {
      ...signed,
      id: 'ending',
      url: '/hooks/ending',
      keys: [{ id: 'old', slot: 1, notAfter: new Date(Date.now() + 3 * 86_400_000).toISOString() }],
    },
    { ...signed, id: 'plain', url: '/hooks/plain' },
    { ...signed, id: 'browser', url: '/hooks/:who/in', corsOrigins: 'https://portal.example.org' },
    { id: 'reply', z: 'tab', type: 'http response', statusCode: '202', headers: {}, wires: [] },
  ];
}

for (const version of nodeRedVersions) {
  test(`published keys are fetched, rotate and outlive their publisher; keys that end are told of; browsers of listed origins only, Node-RED ${version}`, async () => {
    const [first, second] = [pair(), pair()];
    let keys: object[] = [];
    let fetches = 0;
    const publisher = createServer((_, response) => {
      fetches++;
      response.end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => publisher.listen(0, '127.0.0.1', resolve));
    keys = [{ ...first.publicKey.export({ format: 'jwk' }), kid: 'first' }];
    const { port } = publisher.address() as AddressInfo;
    const red = await startNodeRed({ version, flows: flow(`http://127.0.0.1:${port}/keys`) });
    try {
      const post = (key: KeyObject, keyid: string) => {
        const token = jsonwebtoken.sign(
          { iss: issuer, aud: 'node-red', exp: Math.floor(Date.now() / 1000) + 60 },
          key,
          { algorithm: 'ES256', keyid },
        );
        return send(`${red.url}/hooks/token`, {
          body: '{}',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        });
      };
      assert.equal((await post(first.privateKey, 'first')).status, 202);
      assert.equal((await post(second.privateKey, 'first')).status, 401);
      assert.equal((await post(second.privateKey, 'second')).status, 401, 'the cooldown after the first fetch');
      assert.equal(fetches, 1);
      publisher.closeAllConnections();
      await new Promise((resolve) => publisher.close(resolve));
      assert.equal((await post(first.privateKey, 'first')).status, 202, 'the publisher is down');
      await red.waitForLog(/key ends/);

      const page = 'https://portal.example.org';
      const preflight = (path: string, origin: string) =>
        send(red.url + path, {
          method: 'OPTIONS',
          headers: {
            origin,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'content-type, webhook-id, webhook-signature',
          },
        });
      const allowed = await preflight('/hooks/acme/in', page);
      assert.equal(allowed.status, 204);
      assert.equal(allowed.headers['access-control-allow-origin'], page);
      assert.equal(allowed.headers['access-control-allow-methods'], 'POST');
      assert.match(String(allowed.headers['access-control-allow-headers']), /webhook-signature/);
      assert.equal(allowed.headers['access-control-allow-credentials'], undefined);
      for (const [path, origin] of [
        ['/hooks/acme/in', 'https://evil.example.org'],
        ['/hooks/acme/in', 'null'],
        ['/hooks/acme/in', `${page}.evil.example.org`],
        ['/hooks/plain', page],
      ] as const) {
        const refused = await preflight(path, origin);
        assert.equal(refused.status, 204);
        assert.equal(refused.headers['access-control-allow-origin'], undefined, `${path} ${origin}`);
      }
      const call = (path: string, origin: string, headers: Record<string, string>) =>
        send(red.url + path, { body: '{}', headers: { 'content-type': 'application/json', origin, ...headers } });
      const taken = await call('/hooks/acme/in', page, signStandard('{}'));
      assert.equal(taken.status, 202);
      assert.equal(taken.headers['access-control-allow-origin'], page);
      assert.match(String(taken.headers.vary), /Origin/);
      const rejected = await call('/hooks/acme/in', page, {});
      assert.equal(problemOf(rejected).code, 'signature-missing');
      assert.equal(rejected.headers['access-control-allow-origin'], page);
      const elsewhere = await call('/hooks/acme/in', 'https://evil.example.org', signStandard('{}'));
      assert.equal(elsewhere.headers['access-control-allow-origin'], undefined);
      const off = await call('/hooks/plain', page, signStandard('{}'));
      assert.equal(off.headers['access-control-allow-origin'], undefined);
    } finally {
      publisher.close();
      await red.stop();
    }
  });
}
