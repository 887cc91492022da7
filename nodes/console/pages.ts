/**
 * Pages and sections that other slices add to the console. A slice calls {@link contributePage} when its module loads,
 * before or after the console's own; neither knows the other's files. See docs/console.md, "A page of your own".
 */
import type { AdminRequest, RuntimeApi } from '../node/index.ts';
import type { PageRoutes } from './routes.ts';

export interface ConsolePage {
  /** Lower case. In the address (`#<id>`), of its API (`console/api/<id>/…`) and of its files. */
  id: string;
  title: string;
  /** `page` has an entry in the navigation; `connections` is a section of the page Connections. Default `page`. */
  place?: 'page' | 'connections';
  /** Position: Now 10, Messages 20, Failures 30, Approvals 40, Reconciliation 50, Connections 60, Audit 70. */
  order: number;
  /** Who sees it. Default `healthflows.view`. */
  permission?: string;
  /** Acts by the permission they need; the page reads `session.may.<act>`. */
  acts?: Readonly<Record<string, string>>;
  /** Folder of its browser files: `new URL('./assets/', import.meta.url)`; the build copies folders named `assets`. */
  assets: URL;
  /**
   * File in it whose default export is `(main, session, query) => leave`: draws into the element, returns what ends
   * its work. It may import `../../assets/dom.js`, `api.js` and `dialogs.js`.
   */
  script: string;
  /** False hides it until its nodes are deployed. Asked when the page is opened. */
  inUse?(RED: RuntimeApi): boolean;
  /** Number beside the title: what waits for a person. */
  waiting?(RED: RuntimeApi, request: AdminRequest): number | Promise<number>;
  /** True when its routes narrow what they tell to `scopeOf(request)`; otherwise partner-scoped users do not see it. */
  scoped?: boolean;
  /** Registers its routes, once in each Node-RED. */
  routes?(routes: PageRoutes): void;
}

const pages = new Map<string, ConsolePage>();
const listeners = new Set<(page: ConsolePage) => void>();

const idPattern = /^[a-z][a-z-]{1,30}$/;

/** Adds a page; the same id again is the same page (a module loaded twice). */
export function contributePage(page: ConsolePage): void {
  if (!idPattern.test(page.id)) throw new TypeError(`"${page.id}" is no id of a console page.`);
  if (pages.has(page.id)) return;
  pages.set(page.id, page);
  for (const listener of [...listeners]) listener(page);
}

/** Tells of every page there is and of each that comes later. */
export function onPages(listener: (page: ConsolePage) => void): void {
  for (const page of pages.values()) listener(page);
  listeners.add(listener);
}

export function pageNamed(id: string): ConsolePage | undefined {
  return pages.get(id);
}
