/** What other slices may use of the console: a place for their page, and what its routes are told. */
export { actorOf, type Scope, scopeOf } from './access.ts';
export { type ConsolePage, contributePage } from './pages.ts';
export { type PageRoutes, type PersonalAct, queryNumber, queryText } from './routes.ts';
