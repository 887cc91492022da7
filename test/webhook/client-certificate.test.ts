import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { schemeOf } from '../../nodes/webhook/schemes/index.ts';
import { certificate, impostor, mutations, request } from './fixture.ts';

const der = (pem: string): string => `:${new X509Certificate(pem).raw.toString('base64')}:`;
const now = Date.parse(new X509Certificate(certificate).validFrom) + 86_400_000;
const proxy = '10.0.0.5';

function check(headers: Record<string, string | string[]>, options = {}, secret = certificate, peer = proxy, at = now) {
  const verify = schemeOf('client-certificate').prepare([{ id: 'partner', secret }], { proxies: proxy, ...options });
  return verify(request({ headers, peer, client: '192.0.2.1' }), at);
}

describe('client certificate from a proxy', () => {
  const good = { 'client-cert': der(certificate) };

  test('the certificate is known by itself or by its fingerprint', () => {
    assert.equal(check(good).kind, 'verified');
    assert.equal(check(good, {}, certificate.replaceAll('\n', ' ')).kind, 'verified');
    assert.equal(check(good, {}, new X509Certificate(certificate).fingerprint256).kind, 'verified');
    assert.equal(
      check({ 'x-cert': encodeURIComponent(certificate) }, { header: 'X-Cert', format: 'pem' }).kind,
      'verified',
    );
  });

  test('the header of anybody but a trusted proxy is not believed', () => {
    for (const peer of ['192.0.2.1', '10.0.0.6', '', '::1']) {
      const verdict = check(good, {}, certificate, peer);
      assert.equal(verdict.kind === 'rejected' && verdict.reason, 'not-allowed', peer);
    }
  });

  test('another certificate of the same name is refused', () => {
    assert.equal(check({ 'client-cert': der(impostor) }).kind, 'rejected');
  });

  test('every single-byte change of the certificate is refused', () => {
    for (const changed of mutations(good['client-cert'])) {
      assert.equal(check({ 'client-cert': changed.toString('latin1') }).kind, 'rejected');
    }
  });

  test('a repeated header, two certificates in one, and one out of its time are refused', () => {
    assert.equal(check({ 'client-cert': [der(certificate), der(impostor)] }).kind, 'rejected');
    const two = encodeURIComponent(`${certificate}\n${impostor}`);
    assert.equal(check({ 'x-cert': two }, { header: 'X-Cert', format: 'pem' }).kind, 'rejected');
    assert.equal(check(good, {}, certificate, proxy, now - 2 * 86_400_000).kind, 'rejected');
  });

  test('without trusted proxies, or with a key that is no certificate, the node does not start', () => {
    assert.throws(() => check(good, { proxies: '' }), { code: 'NO_TRUSTED_PROXY' });
    assert.throws(() => check(good, {}, 'not a certificate'), { code: 'KEY_INVALID' });
  });
});
