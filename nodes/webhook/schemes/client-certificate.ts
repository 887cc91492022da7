/**
 * Mutual TLS that ends at a proxy: the certificate comes in a header (RFC 9440 `Client-Cert`, or a PEM in URL
 * encoding as nginx's `$ssl_client_escaped_cert`). Anybody can send a header, so it is believed only from listed
 * proxies; a key is the certificate or its SHA-256 fingerprint.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import { decodeCanonical, equalBytes } from './encoding.ts';
import { single, verified } from './hmac.ts';
import { currentKey, prepareKeys, restorePem } from './keys.ts';
import { parseNetworks } from './networks.ts';
import { rejected, type Scheme } from './scheme.ts';

function readFingerprint(secret: string): { material: Buffer } | { problem: string } {
  if (secret.includes('BEGIN CERTIFICATE')) {
    try {
      return {
        material: createHash('sha256')
          .update(new X509Certificate(restorePem(secret)).raw)
          .digest(),
      };
    } catch {
      return { problem: 'the certificate cannot be read' };
    }
  }
  const material = decodeCanonical(secret.replaceAll(':', '').toLowerCase(), 'hex');
  return material?.length === 32
    ? { material }
    : { problem: 'it is neither a certificate nor a SHA-256 fingerprint in hex' };
}

function readCertificate(value: string, format: string): X509Certificate | undefined {
  if (value.length > 16_384) return undefined;
  try {
    if (format === 'pem') {
      const pem = decodeURIComponent(value);
      return pem.split('BEGIN CERTIFICATE').length === 2 ? new X509Certificate(pem) : undefined;
    }
    const der = /^:([A-Za-z0-9+/=]+):$/.exec(value);
    const bytes = der === null ? undefined : decodeCanonical(der[1]!, 'base64');
    return bytes === undefined ? undefined : new X509Certificate(bytes);
  } catch {
    return undefined;
  }
}

export const clientCertificate: Scheme = {
  id: 'client-certificate',
  timed: false,
  challenge: 'Client-Certificate',
  keyPerSender: true,
  prepare(entries, options) {
    const keys = prepareKeys(entries, readFingerprint);
    const header = String(options.header ?? '').trim() || 'Client-Cert';
    const format = options.format === 'pem' ? 'pem' : 'rfc9440';
    const trusted = parseNetworks(String(options.proxies ?? ''));
    if (trusted === undefined) {
      throw new Failure('configuration', 'NO_TRUSTED_PROXY', 'List the proxies whose certificate header is believed.');
    }
    return (request, now, trace) => {
      if (!trusted(request.peer))
        return rejected('not-allowed', 'trusted proxy', trace, `the connection comes from ${request.peer}`);
      trace?.('trusted proxy', true, request.peer);
      const sent = single(request, header, 'certificate header', trace);
      if ('kind' in sent) return sent;
      const certificate = readCertificate(sent.value, format);
      if (certificate === undefined)
        return rejected('malformed', 'certificate header', trace, `not a certificate as ${format} writes it`);
      trace?.('certificate header', true, certificate.subject.replaceAll('\n', ', '));
      const fingerprint = createHash('sha256').update(certificate.raw).digest();
      const matching = keys.filter(({ material }) => equalBytes(material, fingerprint));
      if (matching.length === 0) return rejected('invalid', 'certificate', trace, 'no key has this fingerprint');
      if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo)) {
        return rejected(
          'key-not-current',
          'certificate',
          trace,
          `valid from ${certificate.validFrom} to ${certificate.validTo}`,
        );
      }
      trace?.('certificate', true);
      const current = currentKey(matching, now, trace);
      if (current.kind === 'rejected') return current;
      return verified('client-certificate', current.key.id, {}, undefined, [
        request.method,
        request.path,
        request.query,
        request.body,
      ]);
    };
  },
};
