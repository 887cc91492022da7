import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import amqp from 'amqplib';
import pg from 'pg';
import { startPrivatePostgres, startPrivateRabbitMq } from './services.ts';

describe('a private RabbitMQ', async () => {
  const broker = await startPrivateRabbitMq();
  after(() => broker.stop());

  test('keeps a confirmed persistent message over kill -9 and restart', async () => {
    const connection = await amqp.connect(broker.url);
    connection.on('error', () => {});
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    await channel.assertQueue('kept', { durable: true });
    channel.sendToQueue('kept', Buffer.from('x'), { persistent: true });
    await channel.waitForConfirms();
    // The broker writes what it knows of queues behind its own back: a queue declared just before the kill may be gone.
    await broker.rabbitmqctl('eval', 'mnesia:sync_log().');

    await broker.kill('SIGKILL');
    await assert.rejects(amqp.connect(broker.url));
    await broker.restart();

    const again = await amqp.connect(broker.url);
    const reader = await again.createChannel();
    const message = await reader.get('kept', { noAck: true });
    assert.equal(message === false ? 'nothing' : message.content.toString(), 'x');
    await again.close();
  });

  test('is controlled by rabbitmqctl', async () => {
    assert.match(await broker.rabbitmqctl('list_queues', 'name', 'messages'), /kept\s+0/);
  });

  test('leaves nothing behind when stopped', async () => {
    await broker.stop();
    assert.equal(existsSync(broker.dataDirectory), false);
  });
});

describe('a private PostgreSQL', async () => {
  const server = await startPrivatePostgres();
  after(() => server.stop());

  test('keeps a committed row over kill -9 and restart', async () => {
    const url = await server.createDatabase();
    const client = new pg.Client(url);
    client.on('error', () => {});
    await client.connect();
    await client.query('create table kept (id int)');
    await client.query('insert into kept values (7)');

    await server.kill('SIGKILL');
    await assert.rejects(new pg.Client(url).connect());
    await server.restart();

    const again = new pg.Client(url);
    await again.connect();
    assert.deepEqual((await again.query('select id from kept')).rows, [{ id: 7 }]);
    assert.equal((await again.query('show fsync')).rows[0].fsync, 'on');
    await again.end();
  });

  test('leaves nothing behind when stopped', async () => {
    await server.stop();
    assert.equal(existsSync(server.dataDirectory), false);
  });
});
