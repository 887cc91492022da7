/** The page itself: static, without data, so that it can show a sign-in. Everything it shows comes from the API. */
import { readdirSync, readFileSync } from 'node:fs';
import type { AdminResponse, RuntimeApi } from '../node/index.ts';
import { pageNamed } from './pages.ts';
import { base } from './routes.ts';

/** The console's own; those of other slices are named by their pages. */
const own: readonly string[] = readdirSync(new URL('./assets/', import.meta.url)).filter(
  (name) => name.endsWith('.js') || name.endsWith('.css'),
);

const fileName = /^[a-z][a-z0-9-]{0,40}\.(js|css|svg)$/;
const types: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** Nothing from elsewhere, no inline script, no framing by other sites. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

export function pageRoutes(RED: RuntimeApi): void {
  const read = (name: string) => readFileSync(new URL(`./assets/${name}`, import.meta.url));
  RED.httpAdmin.get(base, (request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    if (path.endsWith('/')) {
      // The page's addresses are relative, because the admin root is the site's choice.
      response.status(302).set('Location', '../console').end();
      return;
    }
    response
      .set('Content-Security-Policy', policy)
      .set('X-Content-Type-Options', 'nosniff')
      .set('Referrer-Policy', 'no-referrer')
      .set('Cache-Control', 'no-cache')
      .type('text/html; charset=utf-8')
      .send(read('console.html'));
  });
  RED.httpAdmin.get(`${base}/assets/:name`, (request, response) => {
    const name = request.params.name ?? '';
    sendFile(response, own.includes(name) ? new URL('./assets/', import.meta.url) : undefined, name);
  });
  RED.httpAdmin.get(`${base}/pages/:page/:name`, (request, response) => {
    sendFile(response, pageNamed(request.params.page ?? '')?.assets, request.params.name ?? '');
  });
}

/** A file of a folder of assets; never one outside it, or one whose kind a page has no use for. */
function sendFile(response: AdminResponse, folder: URL | undefined, name: string): void {
  const type = fileName.test(name) ? types[name.slice(name.lastIndexOf('.') + 1)] : undefined;
  let content: Buffer | undefined;
  try {
    if (folder !== undefined && type !== undefined) content = readFileSync(new URL(name, folder));
  } catch {
    content = undefined;
  }
  if (content === undefined || type === undefined) {
    response.status(404).end();
    return;
  }
  response.set('X-Content-Type-Options', 'nosniff').set('Cache-Control', 'no-cache').type(type).send(content);
}
