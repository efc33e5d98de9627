// What waits for somebody else, and what does not: the dialog that breaks the glass, the message that a role waits for approval, and the number of those who must approve. It comes last, because from its second administrator on
// roles of high sensitivity wait for approval.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { open, signIn, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const shots = process.env.PROBITY_SHOTS;
const password = 'nine patient lanterns';
const stamp = Date.now();

async function everyWay(page, what) {
  for (const [scheme, width] of [['light', 1440], ['dark', 1440], ['dark', 390], ['light', 390]]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 900 });
    await page.waitForTimeout(300);
    const name = `${what} ${scheme} ${width}`;
    if (shots) await page.screenshot({ path: path.join(shots, `${name.replaceAll(/[^a-z0-9]+/gi, '-')}.png`) });
    const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
    assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], name);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${name}: the page is ${overflow} px wider than the screen`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1440, height: 900 });
}

describe('waiting', { skip }, () => {
  let admin;
  let watch;
  beforeEach(async () => {
    admin = await open(); // anew: a proof of who one is lasts five minutes, and a busy machine takes longer for all of it
  });
  afterEach(async () => {
    const problems = admin.problems;
    await admin.close();
    assert.deepEqual(problems, []);
  });
  after(async () => {
    await watch?.close();
  });

  /** Calls the API in the admin's session. */
  const call = (method, where, body) =>
    admin.page.evaluate(
      async ([m, w, b]) => {
        const { csrf_token } = await (await fetch('/api/session')).json();
        const r = await fetch(w, { method: m, headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf_token }, body: JSON.stringify(b) });
        return { status: r.status, body: await r.json() };
      },
      [method, where, body],
    );

  async function hire(name, role) {
    const made = await call('POST', '/api/users', { email: `${name}-${stamp}@example.org`, name, role, password });
    assert.equal(made.status, 201, JSON.stringify(made.body));
  }

  test('the glass is broken with a justification, and somebody else reviews it', async () => {
    const role = await call('POST', '/api/access/roles', { name: `Watch ${stamp}`, description: 'May look in an emergency', permissions: ['ledger.search', 'access.break_glass'] });
    assert.ok(role.status < 300, JSON.stringify(role.body));
    await hire('Wanda', role.body.roleId);
    watch = await open({ signedIn: false });
    const { page } = watch;
    await signIn(page, `Wanda-${stamp}@example.org`, password);
    await page.goto(`${url}/approvals`);
    await page.getByRole('button', { name: 'Break the glass' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Emergency').fill('short');
    await dialog.getByRole('button', { name: 'See values now' }).click();
    await dialog.getByText('Say in at least 20 characters').waitFor();
    await everyWay(page, 'break the glass');
    await dialog.getByLabel('Emergency').fill('A patient is unconscious and the file has to be found');
    await dialog.getByRole('button', { name: 'See values now' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const row = page.getByRole('list', { name: 'Requests' }).getByRole('listitem').filter({ hasText: 'in an emergency' });
    await row.waitFor();
    await page.getByRole('button', { name: 'Break the glass' }).waitFor({ state: 'hidden' });
    assert.equal(await row.getByRole('button', { name: /^Take back/ }).count(), 0, 'the review of what was done is not taken back');
    await everyWay(page, 'after the glass');
    await admin.page.goto(`${url}/approvals?state=pending`);
    await admin.page.getByRole('button', { name: /^Approve….*Wanda/ }).click();
    const review = admin.page.getByRole('dialog');
    await review.getByText('A patient is unconscious').first().waitFor();
    await everyWay(admin.page, 'the review of the glass');
    await review.getByRole('button', { name: 'Approve', exact: true }).click();
    await review.waitFor({ state: 'hidden' });
    assert.deepEqual(watch.problems, []);
  });

  test('a role of high sensitivity waits, and says so', async () => {
    await hire('Second', 'admin');
    await hire('Walburga', 'auditor');
    const { page } = admin;
    await page.goto(`${url}/access?tab=assignments`);
    await page.getByRole('button', { name: 'Assign a role' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox', { name: 'Person' }).click();
    await page.getByRole('option', { name: /^Walburga/ }).click();
    await dialog.getByRole('combobox', { name: 'Role' }).click();
    await page.getByRole('option', { name: 'Compliance officer' }).click();
    await dialog.getByLabel('Reason').fill('she takes over');
    await dialog.getByRole('button', { name: 'Assign' }).click();
    const waits = page.getByRole('dialog', { name: 'Somebody else has to approve it' });
    await waits.waitFor();
    await everyWay(page, 'a role that waits');
    await waits.getByRole('button', { name: 'See the request' }).click();
    await page.getByRole('region', { name: 'The request of the link' }).getByText('0 of 1 approved').waitFor();
    await everyWay(page, 'the request of a role');
  });

  test('how many must approve is changed by as many', async () => {
    const { page } = admin;
    await page.goto(`${url}/approvals`);
    await page.getByRole('button', { name: 'How many must approve' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('1 must approve now').waitFor();
    await dialog.getByRole('combobox', { name: 'Approvals needed' }).click();
    await page.getByRole('option', { name: '2', exact: true }).click();
    await dialog.getByLabel('Reason').fill('the auditors ask for it');
    await everyWay(page, 'how many must approve');
    await dialog.getByRole('button', { name: 'Ask for the change' }).click();
    await dialog.getByText(/could never approve/).waitFor(); // two may decide, so that one could approve
  });
});
