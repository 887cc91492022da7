import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { Failure } from '../../nodes/kernel/failure.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { addTelemetrySink, type HopReport } from '../../nodes/kernel/telemetry/telemetry.ts';
import {
  defineConfigNode,
  defineNode,
  flowsPaused,
  onFlowsStopping,
  type NodeDefinition,
  type RuntimeApi,
  serviceOf,
} from '../../nodes/node/index.ts';

/** The few calls of Node-RED that the adapter makes, recorded. */
function runtime() {
  const types = new Map<string, new (config: object) => TestNode>();
  const instances = new Map<string, TestNode>();
  const events = new EventEmitter();
  class TestNode extends EventEmitter {
    readonly id: string;
    readonly type: string;
    name = '';
    credentials = {};
    statuses: object[] = [];
    errors: unknown[] = [];
    sent: unknown[] = [];
    constructor(id: string, type: string) {
      super();
      this.id = id;
      this.type = type;
    }
    status(status: object) {
      this.statuses.push(status);
    }
    log() {}
    warn() {}
    error(text: unknown) {
      this.errors.push(text);
    }
    send(message: unknown) {
      this.sent.push(message);
    }
  }
  const RED = {
    events,
    nodes: {
      createNode() {},
      registerType(type: string, construct: new (config: object) => TestNode) {
        types.set(type, construct);
      },
      getNode: (id: string) => instances.get(id) ?? null,
    },
    httpAdmin: { get() {}, post() {}, use() {} },
    util: { prepareJSONataExpression: () => undefined },
    auth: { needsPermission: () => () => undefined },
    log: { info() {}, warn() {}, error() {}, debug() {} },
    settings: {},
  } as unknown as RuntimeApi;
  return {
    RED,
    events,
    create(type: string, config: Record<string, unknown> = {}) {
      const node = new TestNode(String(config.id ?? 'n1'), type);
      (types.get(type) as unknown as (this: TestNode, config: object) => void).call(node, config);
      instances.set(node.id, node);
      return node;
    },
  };
}

function receive(node: EventEmitter, message: FlowMessage) {
  const sent: unknown[] = [];
  const dones: unknown[] = [];
  return new Promise<{ sent: unknown[]; dones: unknown[]; message: FlowMessage }>((resolve) => {
    node.emit(
      'input',
      message,
      (out: unknown) => sent.push(out),
      (error?: unknown) => {
        dones.push(error);
        setImmediate(() => resolve({ sent, dones, message }));
      },
    );
  });
}

const definition: NodeDefinition<{ limit: number; label: string }> = {
  type: 'probe',
  version: 1,
  defaults: { limit: 5, label: 'none' },
  outputs: ['good', 'bad'],
};

describe('a node made by defineNode', () => {
  it('survives a handler that rejects, and hands the failure to Catch once', async () => {
    const red = runtime();
    defineNode(definition, () => ({
      input: async () => {
        throw new Failure('data-quality', 'NOPE', 'No good.');
      },
    }))(red.RED);
    const { dones, message } = await receive(red.create('probe'), { payload: 1 });
    assert.equal(dones.length, 1);
    assert.equal((dones[0] as Failure).code, 'NOPE');
    assert.equal(message.failure?.class, 'data-quality');
    assert.equal(message.failure?.retryable, false);
    assert.deepEqual(message.failure?.node, { id: 'n1', type: 'probe' });
  });

  it('survives a handler that throws synchronously', async () => {
    const red = runtime();
    defineNode(definition, () => ({
      input: () => {
        throw new TypeError('secret detail of the document');
      },
    }))(red.RED);
    const { dones, message } = await receive(red.create('probe'), {});
    assert.equal(dones.length, 1);
    assert.equal(message.failure?.class, 'defect');
    assert.ok(!JSON.stringify(message.failure).includes('secret detail'));
  });

  it('gives Catch no cause, and its own log no value that the runtime quoted', async () => {
    const red = runtime();
    const broken: (() => unknown)[] = [
      () => JSON.parse('Maria Muster'),
      () => BigInt('Maria Muster'),
      () => Object.assign('Maria Muster', { length: 1 }),
    ];
    let next = 0;
    defineNode(definition, () => ({ input: () => void broken[next++]!() }))(red.RED);
    const node = red.create('probe');
    for (const _ of broken) {
      const { dones } = await receive(node, {});
      const told = dones[0] as Failure;
      assert.equal(told.cause, undefined);
      assert.match(String(told.stack), /Failure: Unexpected \w+Error/);
    }
    assert.equal(node.errors.length, broken.length);
    assert.doesNotMatch(JSON.stringify(node.errors), /Maria|Muster/);
    assert.match(JSON.stringify(node.errors), /SyntaxError.*define-node/);
  });

  it('classifies a refused connection as an outage that may be retried', async () => {
    const red = runtime();
    defineNode(definition, () => ({
      input: async () => {
        throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
      },
    }))(red.RED);
    const { message } = await receive(red.create('probe'), {});
    assert.equal(message.failure?.class, 'dependency-outage');
    assert.equal(message.failure?.retryable, true);
  });

  it('sends to an output by name and calls done once without an error', async () => {
    const red = runtime();
    defineNode(definition, () => ({ input: async (message, { send }) => send(message, 'bad') }))(red.RED);
    const { sent, dones } = await receive(red.create('probe'), { payload: 7 });
    assert.deepEqual(sent, [[null, { payload: 7 }]]);
    assert.deepEqual(dones, [undefined]);
  });

  it('fills in defaults, and reads numbers that the editor stored as text', () => {
    const red = runtime();
    let seen: unknown;
    defineNode(definition, ({ config }) => {
      seen = config;
      return {};
    })(red.RED);
    red.create('probe', { limit: '12' });
    assert.deepEqual(seen, { limit: 12, label: 'none' });
  });

  it('migrates a configuration that an earlier version wrote', () => {
    const red = runtime();
    let seen: { limit: number } | undefined;
    const second = {
      ...definition,
      version: 2,
      migrate: (config: Record<string, unknown>, from: number) => ({ ...config, limit: Number(config.max) * from }),
    };
    defineNode(second, ({ config }) => {
      seen = config;
      return {};
    })(red.RED);
    red.create('probe', { max: 9, configVersion: 1 });
    assert.equal(seen?.limit, 9);
  });

  it('waits for close before Node-RED may go on', async () => {
    const red = runtime();
    let closed = false;
    defineNode(definition, () => ({
      close: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        closed = true;
      },
    }))(red.RED);
    const node = red.create('probe');
    assert.equal(node.listeners('close')[0]!.length, 2, 'Node-RED awaits done only when two parameters are declared');
    await new Promise<void>((resolve) => {
      node.emit('close', false, resolve);
    });
    assert.equal(closed, true);
  });

  it('fails each message with the reason when it could not be set up, and keeps the process alive', async () => {
    const red = runtime();
    defineNode(definition, () => {
      throw new Failure('configuration', 'NO_URL', 'No URL is set.');
    })(red.RED);
    const node = red.create('probe');
    assert.deepEqual(node.statuses, [{ fill: 'red', shape: 'ring', text: 'NO_URL' }]);
    const { dones } = await receive(node, {});
    assert.equal((dones[0] as Failure).code, 'NO_URL');
  });

  it('reports each hop with its correlation id', async () => {
    const red = runtime();
    const hops: HopReport[] = [];
    const unsubscribe = addTelemetrySink({ hop: (report) => hops.push(report) });
    defineNode(definition, () => ({ input: () => undefined }))(red.RED);
    await receive(red.create('probe'), { event: { id: 'm1', source: 's', type: 't', correlationid: 'c1' } });
    unsubscribe();
    assert.equal(hops.length, 1);
    assert.equal(hops[0]!.correlationId, 'c1');
    assert.equal(hops[0]!.outcome, 'ok');
  });

  it('reports a failed hop with its reason on the message already', async () => {
    const red = runtime();
    const reasons: unknown[] = [];
    const unsubscribe = addTelemetrySink({ hop: (_, message) => reasons.push(message?.failure?.message) });
    defineNode(definition, () => ({
      input: () => {
        throw new Failure('data-quality', 'NOPE', 'No good.');
      },
    }))(red.RED);
    await receive(red.create('probe'), {});
    unsubscribe();
    assert.deepEqual(reasons, ['No good.']);
  });
});

describe('a config node made by defineConfigNode', () => {
  const store = defineConfigNode({ type: 'shelf', version: 1, defaults: { file: '' } }, ({ config }) => {
    if (config.file === '') throw new Failure('configuration', 'NO_FILE', 'Name a file.');
    return { service: { file: config.file } };
  });

  it('offers its service to the nodes that chose it', () => {
    const red = runtime();
    store(red.RED);
    let file: string | undefined;
    defineNode({ type: 'user', version: 1, defaults: { shelf: '' } }, ({ config, resolve }) => {
      file = resolve(store.kind, config.shelf).file;
      return {};
    })(red.RED);
    red.create('shelf', { id: 's1', file: 'a.db' });
    red.create('user', { id: 'u1', shelf: 's1' });
    assert.equal(file, 'a.db');
  });

  it('says why when it could not start, or when none is chosen', () => {
    const red = runtime();
    store(red.RED);
    defineNode({ type: 'user', version: 1, defaults: { shelf: '' } }, ({ config, resolve }) => {
      resolve(store.kind, config.shelf);
      return {};
    })(red.RED);
    red.create('shelf', { id: 's1' });
    const user = red.create('user', { id: 'u1', shelf: 's1' });
    assert.match(String(user.errors[0]), /NO_FILE/);
    const alone = red.create('user', { id: 'u2' });
    assert.match(String(alone.errors[0]), /NO_CONFIG_NODE/);
  });
});

describe('the service of a config node', () => {
  it('is not there while Node-RED restarts the flow of the node, and asking does no harm', () => {
    const red = runtime();
    const shelf = defineConfigNode({ type: 'shelf', version: 1, defaults: {} }, () => ({ service: 'books' }));
    shelf(red.RED);
    red.create('shelf', { id: 's1' });
    assert.equal(serviceOf(red.RED, shelf.kind, 's1'), 'books');
    assert.equal(serviceOf(red.RED, shelf.kind, 'none'), undefined);
    // Between stopping and starting Node-RED answers undefined for a node whose flow it knows.
    red.RED.nodes.getNode = () => undefined;
    assert.equal(serviceOf(red.RED, shelf.kind, 's1'), undefined);
  });
});

describe('the flow lifecycle', () => {
  it('tells sources to stop taking before anything is torn down', () => {
    const red = runtime();
    defineNode(definition, () => ({}))(red.RED);
    let told = false;
    const unsubscribe = onFlowsStopping(() => {
      told = true;
    });
    red.events.emit('flows:stopping');
    assert.equal(told, true);
    assert.equal(flowsPaused(), true);
    red.events.emit('flows:started');
    assert.equal(flowsPaused(), false);
    unsubscribe();
  });
});
