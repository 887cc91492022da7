import type { NodeDefinition } from '../../node/define-node.ts';

export interface IntegrationStoreConfig {
  name: string;
  /** `auto`: PostgreSQL when HEALTHFLOWS_POSTGRES_URL is set, else SQLite. */
  engine: 'auto' | 'sqlite' | 'postgresql';
  /** SQLite file, relative to the user directory. */
  file: string;
  /** `postgres://host:5432/database`; user and password are credentials. */
  url: string;
  /** `url`: as `sslmode` in the URL says. */
  tls: 'url' | 'off' | 'encrypt' | 'verify';
  /** Path of a PEM file with CA certificates, relative to the user directory; empty for the system's. */
  ca: string;
  /** PostgreSQL schema of the store's tables. */
  schema: string;
  /** Days that an idempotency key is kept, counted from its claim. */
  retention: number;
}

export const integrationStoreDefinition: NodeDefinition<IntegrationStoreConfig> = {
  type: 'integration-store',
  version: 1,
  defaults: {
    name: '',
    engine: 'auto',
    file: 'healthflows.sqlite',
    url: '',
    tls: 'url',
    ca: '',
    schema: 'healthflows',
    retention: 14,
  },
  credentials: { user: { type: 'text' }, password: { type: 'password' } },
};
