// Legal holds and keys: what an operator decides about evidence, by keyboard, on a desk and on a phone.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { open, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function clean(page, what) {
  await page.waitForTimeout(300);
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`);
}

/** Answers as a server with an object store does, which the demo has not. */
async function withStore(page) {
  const hold = (id, reason, more) => ({ id, reason, first_seq: 0, end_seq: 0, placed_at: '2026-03-01T10:00:00Z', placed_by: 'Ana Lima', state: 'active', objects: 14, pending: false, ...more });
  const items = [
    hold('h2', 'Matter 2026-014, Halden against Northern Clinic, as ordered by the court', { pending: true, first_seq: 4000, end_seq: 9000, objects: 2 }),
    hold('h1', 'Matter 2025-003', { state: 'released', released_at: '2026-02-01T10:00:00Z', released_by: 'Bo Sund', release_reason: 'the case was closed' }),
  ];
  const asked = [];
  await page.route(/\/api\/evidence\/holds(\/.*)?$/, async (route) => {
    const request = route.request();
    if (request.method() === 'GET') return route.fulfill({ json: { items, possible: true } });
    const body = request.postDataJSON();
    asked.push(body);
    const id = /holds\/(.+)\/release$/.exec(request.url())?.[1];
    if (!id) {
      items.unshift(hold('h3', body.reason, body));
      return route.fulfill({ status: 201, json: items[0] });
    }
    const one = items.find((h) => h.id === id);
    Object.assign(one, { state: 'released', released_at: '2026-03-02T10:00:00Z', released_by: 'Ana Lima', release_reason: body.reason });
    return route.fulfill({ json: one });
  });
  return asked;
}

describe('holds and keys', { skip }, () => {
  let b;
  let page;
  before(async () => {
    b = await open();
    page = b.page;
  });
  after(async () => b?.close());

  test('a server without an object store says what holds need', async () => {
    await page.goto(`${url}/log`);
    const card = page.getByRole('region', { name: 'Legal holds' });
    await card.getByText('Holds need an object store').waitFor();
    assert.equal(await card.getByRole('button').count(), 0);
  });

  for (const [scheme, width, height] of [['light', 1440, 900], ['dark', 390, 844]]) {
    test(`a hold is placed and released with the keyboard: ${scheme}, ${width} px`, async () => {
      const other = await open({ scheme, width, height });
      try {
        const p = other.page;
        const asked = await withStore(p);
        await p.goto(`${url}/log`);
        const card = p.getByRole('region', { name: 'Legal holds' });
        await card.getByText('Events 4,000 to 8,999 · 2 objects').waitFor();
        await card.getByText('pending', { exact: true }).waitFor();
        await card.getByRole('button', { name: 'Show 1 released one' }).press('Enter');
        await card.getByText(/^Released by Bo Sund .*: the case was closed$/).waitFor();
        await clean(p, 'the list');
        await card.getByRole('button', { name: 'Place a hold' }).press('Enter');
        const dialog = p.getByRole('dialog', { name: 'Place a legal hold' });
        await dialog.getByLabel('The whole log, and what is recorded later').focus();
        await p.keyboard.press('ArrowDown');
        await dialog.getByLabel('First event').fill('100');
        await dialog.getByLabel('Last event').fill('199');
        await dialog.getByRole('button', { name: 'Place the hold' }).press('Enter');
        await dialog.getByText('Say why; it is recorded in the log').waitFor();
        await clean(p, 'the dialog');
        await dialog.getByLabel('Reason').fill('Matter 2026-020');
        await dialog.getByRole('button', { name: 'Place the hold' }).press('Enter');
        await dialog.waitFor({ state: 'detached' });
        await card.getByText('Events 100 to 199 · 14 objects').waitFor();
        await card.getByRole('button', { name: 'Release Matter 2026-020' }).press('Enter');
        const release = p.getByRole('dialog', { name: 'Release this hold?' });
        await release.getByLabel('Reason').fill('settled');
        await clean(p, 'the release');
        await release.getByRole('button', { name: 'Release the hold' }).press('Enter');
        await release.waitFor({ state: 'detached' });
        await card.getByText(/: settled$/).waitFor();
        assert.deepEqual(asked, [{ reason: 'Matter 2026-020', first_seq: 100, end_seq: 200 }, { reason: 'settled' }]);
        assert.deepEqual([...new Set(other.problems)], []);
      } finally {
        await other.close();
      }
    });
  }

  test('the signing key is rotated after a look, and its verifier key can be copied', async () => {
    await page.goto(`${url}/settings?tab=crypto`);
    const keys = page.getByRole('list', { name: 'Signing keys' });
    await keys.getByRole('listitem').first().waitFor();
    const before = await keys.getByRole('listitem').count();
    await page.getByRole('button', { name: 'Rotate the signing key' }).press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Rotate the signing key' });
    await dialog.getByLabel('Reason').fill('e2e');
    await dialog.getByLabel('Old and new key both sign for').fill('7');
    await dialog.getByRole('button', { name: 'Check first' }).press('Enter');
    await dialog.getByText('It can be done. Nothing has been changed yet.').waitFor();
    assert.equal(await keys.getByRole('listitem').count(), before, 'the look has changed something');
    await clean(page, 'the rotation');
    await dialog.getByRole('button', { name: 'Rotate now' }).press('Enter');
    await dialog.waitFor({ state: 'detached' });
    await keys.getByText('signs beside its successor').waitFor();
    assert.equal(await keys.getByRole('listitem').count(), before + 1);
    await keys.getByRole('button', { name: /^Copy the verifier key/ }).first().waitFor();
    await clean(page, 'the keys');
    await page.goto(`${url}/log`);
    await page.getByText('Checked in this browser').waitFor();
  });

  test('a key that others share is not rotated from here', async () => {
    const other = await open({ scheme: 'dark', width: 390, height: 844 });
    try {
      await other.page.route(/\/api\/crypto\/keys\/rotate$/, (route) =>
        route.fulfill({ status: 403, contentType: 'application/problem+json', json: { title: 'Forbidden', status: 403, detail: 'several tenants share the master key, so only the operator rotates it' } }),
      );
      await other.page.goto(`${url}/settings?tab=crypto`);
      await other.page.getByRole('button', { name: 'Rotate the master key' }).press('Enter');
      const dialog = other.page.getByRole('dialog', { name: 'Rotate the master key' });
      await dialog.getByLabel('Reason').fill('e2e');
      await dialog.getByRole('button', { name: 'Check first' }).press('Enter');
      await dialog.getByText('This cannot be done from here').waitFor();
      assert.equal(await dialog.getByRole('button', { name: 'Rotate now' }).count(), 0);
      await clean(other.page, 'the refusal');
    } finally {
      await other.close();
    }
  });

  test('no page had a script error or was refused content', () => {
    assert.deepEqual([...new Set(b.problems)], []);
  });
});
