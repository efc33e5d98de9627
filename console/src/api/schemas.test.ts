import { describe, expect, it } from 'vitest';
import { Num } from './json';
import { eventPageSchema, eventSchema, logsSchema, personSchema, viewsSchema } from './schemas';

describe('events', () => {
  it('needs nothing but a seq', () => {
    const e = eventSchema.parse({ seq: 7 });
    expect([e.seq, e.actor.name, e.subject, e.changes, e.resource.type]).toEqual([7, '', null, [], '']);
  });

  it('tells null from absent in changes', () => {
    const e = eventSchema.parse({ seq: 1, changes: [{ path: '/a', before: null }, { path: '/b', op: 'add', after: '' }] });
    expect(e.changes.map((c) => [c.op, c.hasBefore, c.before, c.hasAfter, c.after])).toEqual([
      ['replace', true, null, false, undefined],
      ['add', false, undefined, true, ''],
    ]);
  });

  it('survives values that were withheld or masked whole', () => {
    const e = eventSchema.parse({ seq: 1, actor: { id: null, roles: null, name: 'A***' }, changes: null, context: null, data: '***', custom: [1], resource: null, reason: 12 });
    expect([e.actor.id, e.actor.roles, e.changes, e.context, e.data, e.custom, e.reason]).toEqual(['', [], [], {}, {}, {}, '12']);
    expect(eventSchema.parse({ seq: 1, changes: [null, { path: '/x' }] }).changes).toHaveLength(2);
  });

  it('keeps handles whole and the answer as it came', () => {
    const raw = { seq: 3, actor: { handle: new Num('4611686018427387905') } };
    const e = eventSchema.parse(raw);
    expect(e.actor.handle).toBe('4611686018427387905');
    expect(e.raw).toBe(raw);
  });

  it('refuses what is no event', () => {
    expect(eventSchema.safeParse({ id: 'x' }).success).toBe(false);
    expect(eventSchema.safeParse('text').success).toBe(false);
    expect(eventPageSchema.safeParse({ items: [{ seq: 1 }, {}] }).success).toBe(false);
  });
});

it('takes a missing list for an empty one', () => {
  expect(viewsSchema.parse({ items: null }).items).toEqual([]);
  expect(eventPageSchema.parse({}).items).toEqual([]);
  expect(logsSchema.parse({ logs: [{ epoch: 0, size: 0, last_verification: null }] }).logs[0]?.checkpoint).toBeNull();
  expect(personSchema.parse({ handle: 0, name: 'x' }).handle).toBe('');
});
