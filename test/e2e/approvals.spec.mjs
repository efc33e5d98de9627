// Approvals: an auditor asks to see values as they are, somebody else sees exactly what would be done and decides, and the time-boxed role is there.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { open, signIn, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const shots = process.env.PROBITY_SHOTS;
const purpose = `who opened the file of P-4711 (${Date.now()})`;

async function clean(page, what) {
  await page.waitForTimeout(300);
  if (shots) await page.screenshot({ path: path.join(shots, `${what.replaceAll(/[^a-z0-9]+/gi, '-')}.png`), fullPage: false });
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`);
}

describe('approvals', { skip }, () => {
  let admin;
  let auditor;
  const rowOf = (b) => b.page.getByRole('list', { name: 'Requests' }).getByRole('listitem').filter({ hasText: purpose }).first();
  before(async () => {
    admin = await open();
    auditor = await open({ signedIn: false });
    await signIn(auditor.page, process.env.PROBITY_AUDITOR_EMAIL, process.env.PROBITY_AUDITOR_PASSWORD);
  });
  after(async () => {
    await admin?.close();
    await auditor?.close();
  });

  async function ask() {
    const { page } = auditor;
    await page.goto(`${url}/approvals`);
    await page.getByRole('button', { name: 'Ask to see values' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Ask' }).click();
    await dialog.getByText('Say what for').waitFor();
    await dialog.getByLabel('Purpose').fill(purpose);
    await dialog.getByLabel('Investigation').fill('INC-7');
    await clean(page, 'the dialog to ask');
    await dialog.getByRole('button', { name: 'Ask' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await rowOf(auditor).getByText('Waiting', { exact: true }).waitFor();
    assert.equal(await rowOf(auditor).getByRole('button', { name: /^Approve/ }).count(), 0);
  }

  async function decide(button, comment) {
    const { page } = admin;
    await page.goto(`${url}/approvals?state=pending`);
    await rowOf(admin).getByRole('button', { name: button }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('elevated_viewer').waitFor();
    await dialog.getByText(purpose).first().waitFor();
    await clean(page, `the dialog to ${button.source ?? button}`);
    if (comment) await dialog.getByLabel('Comment').fill(comment);
    await dialog.getByRole('button', { name: /^(Approve|Deny)$/ }).click();
    await dialog.waitFor({ state: 'hidden' });
  }

  test('a request is denied with a reason that who asked reads', async () => {
    await ask();
    await decide(/^Deny/, 'the ticket is closed');
    await auditor.page.reload();
    await rowOf(auditor).getByText('Denied', { exact: true }).waitFor();
    assert.match(await rowOf(auditor).innerText(), /the ticket is closed/);
  });

  test('one that is taken back cannot be decided', async () => {
    await ask();
    await rowOf(auditor).getByRole('button', { name: /^Take back/ }).click();
    await rowOf(auditor).getByText('Taken back', { exact: true }).waitFor();
    await admin.page.goto(`${url}/approvals?state=pending`);
    await admin.page.getByText('There is none in this state.').waitFor();
  });

  test('one that is approved gives what was asked for, for its time', async () => {
    await ask();
    for (const [scheme, width] of [['light', 1440], ['dark', 390]]) {
      await admin.page.emulateMedia({ colorScheme: scheme });
      await admin.page.setViewportSize({ width, height: 900 });
      await admin.page.goto(`${url}/approvals`);
      await rowOf(admin).waitFor();
      await clean(admin.page, `approvals ${scheme} ${width}`);
    }
    await admin.page.emulateMedia({ colorScheme: 'light' });
    await admin.page.setViewportSize({ width: 1440, height: 900 });
    await decide(/^Approve/);
    await admin.page.goto(`${url}/access?tab=assignments`);
    const given = admin.page.getByRole('list', { name: 'Assignments' }).getByRole('listitem').filter({ hasText: 'Elevated viewer' });
    await given.waitFor();
    assert.match(await given.innerText(), /until/);
    await given.getByRole('button', { name: /^Revoke/ }).click();
    await admin.page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await given.waitFor({ state: 'hidden' });
    assert.deepEqual([...admin.problems, ...auditor.problems], []);
  });
});
