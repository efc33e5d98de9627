// Invitations and forgotten passwords: from the console or the sign-in page to the letter box, and from there to a session. What a scanner of mail fetches on the way spends nothing.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { open, signIn, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const shots = process.env.PROBITY_SHOTS;
const box = process.env.PROBITY_MAIL;
const who = `nia.${Date.now()}@example.org`;
const first = 'seven slow grey herons';
const second = 'eleven quick red foxes';

async function clean(page, what) {
  await page.waitForTimeout(300);
  if (shots) await page.screenshot({ path: path.join(shots, `${what.replaceAll(/[^a-z0-9]+/gi, '-')}.png`), fullPage: false });
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`);
}

async function everyWay(page, what) {
  for (const [scheme, width] of [['light', 1440], ['dark', 1440], ['dark', 390], ['light', 390]]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 900 });
    await clean(page, `${what} ${scheme} ${width}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1440, height: 900 });
}

/** The link of the newest letter to the person that has one to a page. */
async function linkTo(where, not = '') {
  for (let i = 0; i < 100; i++) {
    for (const name of (await readdir(box)).sort().reverse()) {
      const letter = await readFile(path.join(box, name), 'utf8');
      const link = letter.includes(who) && letter.match(new RegExp(`http://localhost:\\d+${where}#[\\w-]{43}`))?.[0];
      if (link && link !== not) return link;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`no letter with a link to ${where}`);
}

describe('people', { skip }, () => {
  let admin;
  let guest;
  before(async () => {
    admin = await open();
    guest = await open({ signedIn: false });
  });
  after(async () => {
    await admin?.close();
    await guest?.close();
  });

  test('somebody who is invited sets a password and is in', async () => {
    await admin.page.goto(`${url}/settings?tab=users`);
    await admin.page.getByRole('button', { name: 'Invite' }).click();
    const dialog = admin.page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Nia Okoro');
    await dialog.getByLabel('E-mail').fill(who);
    await everyWay(admin.page, 'the dialog to invite');
    await dialog.getByRole('button', { name: 'Send invitation' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const row = admin.page.getByRole('list', { name: 'Invitations' }).getByRole('listitem').filter({ hasText: who });
    await row.waitFor();
    await everyWay(admin.page, 'users with an invitation');
    const old = await linkTo('/invitation');
    await row.getByRole('button', { name: /^Send again/ }).click();
    const link = await linkTo('/invitation', old);

    const { page } = guest;
    await page.goto(old);
    await page.getByText('This link does not work').waitFor();
    await clean(page, 'a dead link');
    for (const method of ['GET', 'HEAD']) await fetch(link, { method });
    await page.goto('about:blank');
    await page.goto(link);
    await page.getByRole('heading', { name: 'Welcome, Nia Okoro' }).waitFor();
    assert.ok(!page.url().includes('#'), 'the token stays in the address');
    await everyWay(page, 'an invitation');
    await page.getByLabel('New password', { exact: true }).fill('nia okoro 2026');
    await page.getByLabel('Once more').fill('nia okoro 2026');
    await page.getByRole('button', { name: 'Set password and sign in' }).click();
    await page.getByText(/made of names that go with the account/).waitFor();
    await clean(page, 'a password that is refused');
    await page.getByLabel('New password', { exact: true }).fill(first);
    await page.getByLabel('Once more').fill(first);
    await page.getByRole('button', { name: 'Set password and sign in' }).click();
    await page.getByRole('heading', { name: 'Audit log' }).waitFor();
    await admin.page.reload();
    await admin.page.getByRole('list', { name: 'Users' }).getByText(who).waitFor();
    assert.equal(await admin.page.getByRole('list', { name: 'Invitations' }).count(), 0);
  });

  test('a forgotten password is set anew with a letter, and sessions end', async () => {
    const other = await open({ signedIn: false });
    try {
      const { page } = other;
      await page.goto(`${url}/signin`);
      await page.getByRole('link', { name: 'Forgot your password?' }).click();
      await page.getByLabel('E-mail').fill(who);
      await everyWay(page, 'a forgotten password');
      await page.getByRole('button', { name: 'Send the link' }).click();
      await page.getByText('Look into your letter box').waitFor();
      await clean(page, 'the link is on its way');
      const link = await linkTo('/reset');
      for (const method of ['GET', 'HEAD']) await fetch(link, { method });
      await page.goto(link);
      await page.getByLabel('New password', { exact: true }).fill(second);
      await page.getByLabel('Once more').fill(second);
      await everyWay(page, 'a new password');
      await page.getByRole('button', { name: 'Set password' }).click();
      await page.getByRole('heading', { name: 'Your password is set' }).waitFor();
      await clean(page, 'the password is set');
      await signIn(page, who, second);
      await guest.page.goto(`${url}/events`);
      await guest.page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await guest.page.goto('about:blank');
      await guest.page.goto(link);
      await guest.page.getByLabel('New password', { exact: true }).fill(first);
      await guest.page.getByLabel('Once more').fill(first);
      await guest.page.getByRole('button', { name: 'Set password' }).click();
      await guest.page.getByText('This link does not work').waitFor();
      assert.deepEqual([...admin.problems, ...guest.problems, ...other.problems], []);
    } finally {
      await other.close();
    }
  });
});
