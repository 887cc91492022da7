/**
 * The part of Node-RED's runtime API that this package uses, typed to what 4.1 and 5.0 do. `@types/node-red` does not
 * describe hooks, events and `getNode` returning null well enough to build on under strict checks.
 */
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FlowMessage } from '../kernel/message.ts';

export type Send = (message: FlowMessage | (FlowMessage | FlowMessage[] | null | undefined)[]) => void;
export type Done = (error?: unknown) => void;

export interface NodeStatus {
  fill?: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  shape?: 'dot' | 'ring';
  text?: string;
}

export interface RuntimeNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  /** Flow (tab) id. */
  readonly z?: string;
  credentials?: Record<string, string>;
  on(event: 'input', listener: (message: FlowMessage, send: Send, done: Done) => void): void;
  on(event: 'close', listener: (removed: boolean, done: () => void) => void): void;
  status(status: NodeStatus): void;
  log(text: unknown): void;
  warn(text: unknown): void;
  error(text: unknown, message?: FlowMessage): void;
  send: Send;
}

export interface AdminRequest extends IncomingMessage {
  params: Record<string, string>;
  query: Record<string, string | string[] | undefined>;
  body: unknown;
  /** Set by Node-RED's admin authentication. */
  user?: { username?: string; anonymous?: boolean; permissions?: string | string[] };
}

export interface AdminResponse extends ServerResponse {
  status(code: number): this;
  json(body: unknown): this;
  send(body: unknown): this;
  type(contentType: string): this;
  set(name: string, value: string): this;
}

export type AdminHandler = (request: AdminRequest, response: AdminResponse, next: (error?: unknown) => void) => unknown;

export interface Router {
  get(path: string, ...handlers: AdminHandler[]): void;
  post(path: string, ...handlers: AdminHandler[]): void;
  use(...handlers: (string | AdminHandler)[]): void;
}

export interface LogEntry {
  level: number;
  event?: string;
  error?: string;
  user?: { username?: string };
}

export interface RuntimeApi {
  version(): string | Promise<string>;
  nodes: {
    createNode(node: unknown, config: unknown): void;
    registerType(type: string, nodeConstructor: unknown, options?: unknown): void;
    /** Undefined, not null, for a node of a flow that is being restarted: Node-RED knows its flow and not the node. */
    getNode(id: string): RuntimeNode | null | undefined;
    getCredentials(id: string): Record<string, string> | undefined;
    eachNode(callback: (config: Record<string, unknown> & { id: string; type: string }) => void): void;
  };
  settings: Record<string, unknown> & { userDir?: string; httpNodeRoot?: string; httpAdminRoot?: string };
  events: EventEmitter;
  httpAdmin: Router;
  httpNode: Router;
  auth: { needsPermission(permission: string): AdminHandler };
  log: {
    info(text: unknown): void;
    warn(text: unknown): void;
    error(text: unknown): void;
    debug(text: unknown): void;
    /** For every entry, whatever its level; those of the level "audit" carry an event and the user. */
    addHandler?(handler: { emit(event: 'log', entry: LogEntry): void }): void;
  };
  comms: { publish(topic: string, data: unknown, retain?: boolean): void };
  util: {
    cloneMessage<T>(message: T): T;
    evaluateNodeProperty(value: string, type: string, node: unknown, message: FlowMessage): unknown;
    getMessageProperty(message: FlowMessage, expression: string): unknown;
    setMessageProperty(message: FlowMessage, property: string, value: unknown, createMissing?: boolean): boolean;
    prepareJSONataExpression(expression: string, node: unknown): unknown;
    evaluateJSONataExpression(
      expression: unknown,
      message: FlowMessage,
      callback: (error: unknown, value: unknown) => void,
    ): void;
    generateId(): string;
  };
  hooks: { add(name: string, handler: (event: unknown) => unknown): void; remove(name: string): void };
  plugins?: { registerPlugin(id: string, plugin: unknown): void };
  _(key: string, substitutions?: Record<string, unknown>): string;
}
