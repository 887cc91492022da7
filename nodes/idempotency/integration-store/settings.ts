/** From what the dialog holds to what opens a store. */
import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { Failure } from '../../kernel/failure.ts';
import type { StoreOptions } from '../../kernel/store/index.ts';
import type { IntegrationStoreConfig } from './integration-store.def.ts';

export interface Surroundings {
  /** Node-RED's user directory. */
  userDir: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** With engine `auto`, names the PostgreSQL database; without it `auto` is SQLite. */
export const autoVariable = 'HEALTHFLOWS_POSTGRES_URL';

type Settings = Omit<IntegrationStoreConfig, 'name' | 'retention'>;

/** @throws Failure `configuration`, which quotes neither URL nor credentials */
export function storeOptionsOf(
  config: Settings,
  credentials: Readonly<Record<string, string>>,
  { userDir, env }: Surroundings,
): StoreOptions {
  const fromUserDir = (path: string): string => (isAbsolute(path) ? path : join(userDir, path));
  const autoUrl = env[autoVariable];
  if (config.engine === 'auto' && autoUrl !== undefined && autoUrl !== '') {
    return { engine: 'postgresql', url: autoUrl, schema: config.schema };
  }
  if (config.engine !== 'postgresql') {
    const file = withEnvironment(config.file, env).trim();
    if (file === '') {
      throw new Failure('configuration', 'STORE_FILE_MISSING', 'The integration-store has no file. Open it, name one.');
    }
    return { engine: 'sqlite', file: fromUserDir(file) };
  }
  const user = withEnvironment(credentials.user ?? '', env);
  const password = withEnvironment(credentials.password ?? '', env);
  return {
    engine: 'postgresql',
    url: withEnvironment(config.url, env),
    schema: config.schema,
    ...(user === '' ? {} : { user }),
    ...(password === '' ? {} : { password }),
    ...(config.tls === 'url' ? {} : { tls: config.tls }),
    ...(config.ca === '' ? {} : { ca: certificates(fromUserDir(withEnvironment(config.ca, env))) }),
  };
}

/** `${NAME}` anywhere in the text stands for an environment variable. */
function withEnvironment(text: string, env: Surroundings['env']): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const value = env[name];
    if (value === undefined) {
      throw new Failure(
        'configuration',
        'STORE_ENVIRONMENT_MISSING',
        `The integration-store refers to the environment variable ${name}, which is not set where Node-RED runs.`,
      );
    }
    return value;
  });
}

function certificates(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Failure(
      'configuration',
      'STORE_CA_UNREADABLE',
      `The file with CA certificates of the integration-store cannot be read: ${file}`,
      { cause },
    );
  }
}
