import { describe, expect, it } from 'vitest';
import { Num, parseJSON, parseProtected, prettyJSON } from './json';

// Node 20 does not tell a reviver what a number looked like; browsers do. Both ways must keep what cannot be held.
describe.each([['as this engine can', parseJSON], ['without source text', parseProtected]])('parse %s', (_name, parse) => {
  it('keeps integers that a double cannot hold', () => {
    const v = parse('{"handle":4611686018427387905,"list":[1,-9223372036854775807],"s":"12345678901234567890"}') as Record<string, unknown>;
    expect(String(v['handle'])).toBe('4611686018427387905');
    expect(v['handle']).toBeInstanceOf(Num);
    expect((v['list'] as unknown[])[0]).toBe(1);
    expect(String((v['list'] as unknown[])[1])).toBe('-9223372036854775807');
    expect(v['s']).toBe('12345678901234567890');
  });

  it('leaves text that looks like JSON alone', () => {
    const text = '{"a":"\\"n\\": 12345678901234567890, \\\\","b":"x"}';
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it('keeps long fractions that would be rounded', () => {
    expect(String((parse('[0.12345678901234567890123]') as unknown[])[0])).toBe('0.12345678901234567890123');
    expect((parse('[1234567890123456]') as unknown[])[0]).toBe(1234567890123456);
  });

  it('refuses what is not JSON', () => {
    expect(() => parse('{"a":12345678901234567890')).toThrow();
    expect(() => parse('')).toThrow();
  });
});

describe('prettyJSON', () => {
  it('writes numbers as they came and keeps order', () => {
    expect(prettyJSON({ b: new Num('12345678901234567890'), a: [null, 'x', {}], c: [] })).toBe(
      '{\n  "b": 12345678901234567890,\n  "a": [\n    null,\n    "x",\n    {}\n  ],\n  "c": []\n}',
    );
  });
});
