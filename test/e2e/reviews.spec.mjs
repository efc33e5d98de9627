// Reviews of access and the security log: an admin begins a review, a reviewer confirms and revokes by keyboard and mouse, the closed review gives evidence; the log of security finds what happened, by kind and person.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { email, open, password, signIn, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const shots = process.env.PROBITY_SHOTS;
const name = `Quarterly ${Date.now()}`;

async function clean(page, what) {
  await page.waitForTimeout(300);
  if (shots) await page.screenshot({ path: path.join(shots, `${what.replaceAll(/[^a-z0-9]+/gi, '-')}.png`), fullPage: false });
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`);
}

describe('access reviews and the security log', { skip }, () => {
  let admin;
  let auditor;
  let user; // somebody with a role to look at
  const itemsOf = (page) => page.getByRole('list', { name: 'Items' }).getByRole('listitem');
  before(async () => {
    admin = await open();
    auditor = await open({ signedIn: false });
    await signIn(auditor.page, process.env.PROBITY_AUDITOR_EMAIL, process.env.PROBITY_AUDITOR_PASSWORD);
    user = await admin.page.evaluate(async () => {
      const session = await (await fetch('/api/session')).json();
      const call = async (method, at, body) => {
        const res = await fetch(at, { method, headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token }, body: JSON.stringify(body) });
        if (!res.ok) throw new Error(`${at}: ${res.status} ${await res.text()}`);
        return res.json();
      };
      const made = [];
      for (const n of ['Rita', 'Rolf', 'Rosa']) {
        made.push(await call('POST', '/api/users', { email: `${n}-${Date.now()}@example.com`, name: `${n} Review`, role: 'coach', password: `a-long-passphrase-${Date.now()}` }));
      }
      return made[0];
    });
  });
  after(async () => {
    await admin?.close();
    await auditor?.close();
  });

  test('an admin begins one, which says what is missing', async () => {
    const { page } = admin;
    await page.goto(`${url}/reviews`);
    await page.getByRole('heading', { name: 'Access reviews' }).waitFor();
    await clean(page, 'reviews');
    await page.getByRole('button', { name: 'Begin a review' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Begin' }).click();
    await dialog.getByText('Give it a name').waitFor();
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByLabel('What it is about').click();
    await page.getByRole('option', { name: 'One role' }).click();
    await dialog.getByLabel('Role', { exact: true }).first().click();
    await page.getByRole('option', { name: 'Coach', exact: true }).click();
    await clean(page, 'the dialog of a new review');
    await dialog.getByRole('button', { name: 'Begin' }).click();
    await page.getByRole('heading', { name }).waitFor();
    await itemsOf(page).filter({ hasText: 'Rita Review' }).waitFor();
    await clean(page, 'the inbox of a review');
  });

  test('the reviewer revokes by keyboard, and confirms the rest at once', async () => {
    const { page } = admin;
    const before = await itemsOf(page).count();
    assert.ok(before >= 3);
    const at = (await itemsOf(page).allInnerTexts()).findIndex((t) => t.includes('Rita Review'));
    await page.getByRole('heading', { name }).click();
    for (let i = 0; i <= at; i++) await page.keyboard.press('j');
    await page.keyboard.press('x');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Rita Review').waitFor();
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await dialog.getByText('Say why').waitFor();
    await dialog.getByLabel('Reason').fill('left the team');
    await clean(page, 'the dialog to revoke');
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await itemsOf(page).filter({ hasText: 'Rita Review' }).waitFor({ state: 'hidden' });
    await page.getByLabel(/^Choose all/).check();
    await page.getByRole('button', { name: /^Confirm \d+ items/ }).click();
    await dialog.getByLabel('Reason').fill('they coach');
    await dialog.getByRole('button', { name: 'Confirm' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByText('Nothing waits for you').waitFor();
    await page.getByText('All', { exact: true }).click();
    await itemsOf(page).filter({ hasText: 'left the team' }).getByText('Revoked', { exact: true }).waitFor();
    const can = await page.evaluate(async (id) => (await (await fetch(`/api/access/users/${id}/permissions`)).json()).roles, user.id);
    assert.deepEqual(can, []);
  });

  test('closed, it gives evidence', async () => {
    const { page } = admin;
    await page.getByRole('button', { name: 'Close…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Close the review' }).click();
    await page.getByText('SHA-256 of the decisions').waitFor();
    await clean(page, 'a closed review');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Decisions (CSV)' }).click()]);
    assert.match(download.suggestedFilename(), /^access-review-.*\.csv$/);
  });

  test('somebody for whom nothing waits is told so, and what is not his is not there', async () => {
    const { page } = auditor;
    await page.goto(`${url}/reviews`);
    await page.getByText('Nothing is waiting for you to review.').waitFor();
    await page.goto(`${url}/reviews?id=00000000-0000-7000-8000-000000000000`);
    await page.getByText('There is no such review.').waitFor();
    await clean(page, 'a review that is not there');
  });

  test('the security log shows sign-ins, deletions and exports by kind and person', async () => {
    const { page } = admin;
    await page.goto(`${url}/signin`);
    const stranger = await open({ signedIn: false });
    await stranger.page.goto(`${url}/signin`);
    await stranger.page.getByLabel('E-mail').fill(process.env.PROBITY_AUDITOR_EMAIL);
    await stranger.page.getByLabel('Password', { exact: true }).fill('wrong-password-once');
    await stranger.page.getByRole('button', { name: 'Sign in' }).click();
    await stranger.page.getByRole('alert').first().waitFor();
    await stranger.close();
    await page.goto(`${url}/security`);
    await page.getByRole('heading', { name: 'Security log' }).waitFor();
    const rows = page.locator('[role="grid"] [role="row"][aria-rowindex]');
    await rows.nth(1).waitFor();
    await clean(page, 'security log');
    await page.getByText('Failed sign-ins', { exact: true }).click();
    await page.waitForURL(/kind=failed/);
    await page.locator('[role="grid"]').getByText(/log(ged)? ?in/i).first().waitFor();
    await page.getByText('Roles', { exact: true }).click();
    await page.waitForURL(/kind=roles/);
    await page.locator('[role="grid"]').getByText('left the team').first().or(page.locator('[role="grid"]').getByText(/role/i).first()).waitFor();
    await page.getByLabel('Address').fill('203.0.113.77');
    await page.getByLabel('Address').press('Enter');
    await page.getByText('No events here').waitFor();
    await page.getByRole('button', { name: 'Remove filter IP: 203.0.113.77' }).click();
    await rows.nth(1).waitFor();
    await page.getByRole('button', { name: 'Export' }).click();
    await page.getByRole('dialog').getByText('Export events').waitFor();
    await page.keyboard.press('Escape');
    assert.deepEqual(admin.problems, []);
  });

  test('an account can be locked from an entry', async () => {
    const { page } = admin;
    await page.goto(`${url}/security?kind=sign-in`);
    const row = page.locator('[role="grid"] [role="row"]').filter({ hasText: /auditor|Auditor/ }).first();
    await row.click();
    await page.getByRole('button', { name: 'Lock this account' }).waitFor();
    await page.keyboard.press('Escape');
  });

  for (const [scheme, width] of [['light', 1440], ['dark', 1440], ['light', 390], ['dark', 390]]) {
    test(`both are clean, ${scheme} at ${width}`, async () => {
      const b = await open({ scheme, width, height: width < 500 ? 844 : 900, signedIn: false });
      await signIn(b.page, email, password);
      for (const at of ['reviews', 'security']) {
        await b.page.goto(`${url}/${at}`);
        await b.page.getByRole('heading', { level: 1 }).waitFor();
        await clean(b.page, `${at} ${scheme} ${width}`);
      }
      await b.page.goto(`${url}/reviews`);
      await b.page.getByRole('button', { name: `Open ${name}` }).click();
      await b.page.getByText('SHA-256 of the decisions').waitFor();
      await clean(b.page, `review ${scheme} ${width}`);
      await b.close();
    });
  }
});
