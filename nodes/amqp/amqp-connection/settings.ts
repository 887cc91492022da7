/** From what the dialog holds to what opens a connection. */
import { isAbsolute, join } from 'node:path';
import { Failure } from '../../kernel/failure.ts';
import { type LinkOptions, parseAddresses, type TlsFiles } from '../engines/rabbitmq/connection.ts';
import type { AmqpConnectionConfig } from './amqp-connection.def.ts';

export interface Surroundings {
  /** Node-RED's user directory. */
  userDir: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** With engine `auto`, names the broker; without it `auto` is embedded. */
export const autoVariable = 'HEALTHFLOWS_AMQP_URL';

export type EngineSettings = { kind: 'embedded' } | { kind: 'rabbitmq'; link: LinkOptions };

/** @throws Failure `configuration`, which quotes neither URL nor credentials */
export function engineSettings(
  config: AmqpConnectionConfig,
  credentials: Readonly<Record<string, string>>,
  name: string,
  surroundings: Surroundings,
): EngineSettings {
  const { env } = surroundings;
  const automatic = config.engine === 'auto' ? (env[autoVariable] ?? '') : '';
  if (config.engine === 'embedded' || (config.engine === 'auto' && automatic === '')) return { kind: 'embedded' };
  const fill = (text: string | undefined): string => withEnvironment(text ?? '', env);
  const tls = tlsFiles(config, fill(credentials.passphrase), fill, surroundings.userDir);
  const addresses =
    automatic === ''
      ? parseAddresses(fill(config.url), {
          username: fill(credentials.username),
          password: fill(credentials.password),
          vhost: fill(config.vhost),
        })
      : parseAddresses(automatic);
  return { kind: 'rabbitmq', link: { addresses, name, ...(tls === undefined ? {} : { tls }) } };
}

function tlsFiles(
  config: AmqpConnectionConfig,
  passphrase: string,
  fill: (text: string) => string,
  userDir: string,
): TlsFiles | undefined {
  const path = (text: string): string | undefined => {
    const filled = fill(text).trim();
    if (filled === '') return undefined;
    return isAbsolute(filled) ? filled : join(userDir, filled);
  };
  const files = { ca: path(config.ca), certificate: path(config.certificate), key: path(config.key) };
  const given = Object.entries({ ...files, passphrase: passphrase === '' ? undefined : passphrase }).filter(
    ([, value]) => value !== undefined,
  );
  return given.length === 0 ? undefined : (Object.fromEntries(given) as TlsFiles);
}

/** `${NAME}` anywhere in the text stands for an environment variable. */
function withEnvironment(text: string, env: Surroundings['env']): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, variable: string) => {
    const value = env[variable];
    if (value === undefined) {
      throw new Failure(
        'configuration',
        'AMQP_ENVIRONMENT_MISSING',
        `The amqp-connection refers to the environment variable ${variable}, which is not set where Node-RED runs.`,
      );
    }
    return value;
  });
}
