// Tenants: who operates the installation makes one, suspends it, gives it up and takes it back; somebody with an account in two switches between them, by the keyboard.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { open, signIn, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const shots = process.env.PROBITY_SHOTS;
const name = `North Clinic ${Date.now()}`;
const address = process.env.PROBITY_EMAIL;

async function clean(page, what) {
  await page.waitForTimeout(300);
  if (shots) await page.screenshot({ path: path.join(shots, `${what.replaceAll(/[^a-z0-9]+/gi, '-')}.png`), fullPage: false });
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`);
}

describe('tenants', { skip }, () => {
  let admin;
  let password;
  const row = () => admin.page.getByRole('list', { name: 'Tenants' }).getByRole('listitem').filter({ hasText: name });
  const act = async (button, fill) => {
    await row().getByRole('button', { name: button }).click();
    const dialog = admin.page.getByRole('dialog');
    await fill(dialog);
    await dialog.getByRole('button', { name: /^(Suspend|Resume|Keep it|Give it up)$/ }).click();
    await dialog.waitFor({ state: 'hidden' });
  };
  before(async () => {
    admin = await open();
  });
  after(async () => admin?.close());

  test('one is made with its first administrator', async () => {
    const { page } = admin;
    await page.goto(`${url}/tenants`);
    await page.getByRole('list', { name: 'Tenants' }).getByText('Operates the installation').waitFor();
    await page.getByRole('button', { name: 'New tenant' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Make it' }).click();
    await dialog.getByText('Give it a name').waitFor();
    await dialog.getByLabel('Name', { exact: true }).fill(name);
    await dialog.getByLabel('First administrator').fill('Nora North');
    await dialog.getByLabel("Administrator's e-mail").fill(address);
    await clean(page, 'the dialog of a new tenant');
    await dialog.getByRole('button', { name: 'Make it' }).click();
    await page.getByText('It is shown this once.').waitFor();
    password = await page.getByTestId('secret').nth(1).innerText();
    assert.ok(password.length >= 12);
    await page.getByRole('dialog').getByRole('button').last().click();
    await row().getByText('At work', { exact: true }).waitFor();
    await clean(page, 'the page of tenants');
  });

  test('its people are shut out while it is suspended', async () => {
    const other = await open({ signedIn: false });
    await signIn(other.page, address, password);
    await other.page.getByText(name).first().waitFor();
    assert.equal(await other.page.getByRole('link', { name: 'Tenants' }).count(), 0);
    await other.page.goto(`${url}/tenants`);
    await other.page.getByText(/managed by the one that operates it/).waitFor();
    await act(/^Suspend/, (d) => d.getByLabel('Reason').fill('unpaid'));
    await row().getByText('Suspended', { exact: true }).waitFor();
    await other.page.goto(`${url}/events`);
    await other.page.getByText(/suspended/i).first().waitFor();
    await other.close();
    await act(/^Resume/, (d) => d.getByLabel('Reason').fill('paid'));
    await row().getByText('At work', { exact: true }).waitFor();
  });

  test('it is given up by its name only, and taken back', async () => {
    await row().getByRole('button', { name: /^Give up/ }).click();
    const dialog = admin.page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill('closed');
    await dialog.getByLabel(/^Type its name/).fill('another');
    await dialog.getByRole('button', { name: 'Give it up' }).click();
    await dialog.getByText('This is not its name').waitFor();
    await dialog.getByLabel(/^Type its name/).fill(name);
    await clean(admin.page, 'the dialog to give a tenant up');
    await dialog.getByRole('button', { name: 'Give it up' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await row().getByText('To be deleted', { exact: true }).waitFor();
    await clean(admin.page, 'a tenant that leaves');
    await act(/^Keep/, (d) => d.getByLabel('Reason').fill('a mistake'));
    await act(/^Resume/, (d) => d.getByLabel('Reason').fill('a mistake'));
    await row().getByText('At work', { exact: true }).waitFor();
  });

  test('somebody with the same password in two switches by the keyboard', async () => {
    const both = await open({ signedIn: false });
    const { page } = both;
    await signIn(page, address, password);
    await page.goto(`${url}/account`);
    // The password there becomes that of the account in the other tenant.
    await page.evaluate(async ([current, next]) => {
      const session = await (await fetch('/api/session')).json();
      const res = await fetch('/api/session/password', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token }, body: JSON.stringify({ current, new: next }) });
      if (!res.ok) throw new Error(await res.text());
    }, [password, process.env.PROBITY_PASSWORD]);
    await both.close();
    const again = await open({ signedIn: false });
    await signIn(again.page, address, process.env.PROBITY_PASSWORD);
    const switcher = again.page.getByRole('button', { name: /^Tenant: / });
    await clean(again.page, 'the switcher of tenants');
    await switcher.first().focus();
    const from = await switcher.first().innerText();
    await again.page.keyboard.press('Enter');
    await again.page.getByRole('menuitem', { disabled: false }).first().waitFor();
    if (shots) await again.page.screenshot({ path: path.join(shots, 'the-switcher-of-tenants.png') });
    await again.page.keyboard.press('ArrowDown');
    await again.page.keyboard.press('Enter');
    await again.page.waitForFunction((t) => ![...document.querySelectorAll('button[aria-label^="Tenant:"]')].some((b) => b.textContent.trim() === t.trim()) && document.querySelector('button[aria-label^="Tenant:"]'), from);
    assert.notEqual(await again.page.getByRole('button', { name: /^Tenant: / }).first().innerText(), from);
    await again.close();
  });
});
