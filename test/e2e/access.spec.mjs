// Roles, assignments and who can do what: an administrator copies a role, changes it in the matrix, gives it to somebody, asks why and takes it away.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { open, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const shots = process.env.PROBITY_SHOTS;

async function clean(page, what) {
  await page.waitForTimeout(300);
  if (shots) await page.screenshot({ path: path.join(shots, `${what.replaceAll(/[^a-z0-9]+/gi, '-')}.png`), fullPage: false });
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`);
}

const role = `Night shift ${Date.now()}`;

describe('access', { skip }, () => {
  let b;
  let page;
  before(async () => {
    b = await open();
    page = b.page;
  });
  after(async () => b?.close());

  const rowOf = (list, text) => page.getByRole('list', { name: list }).getByRole('listitem').filter({ hasText: text });
  async function choose(label, option) {
    await page.getByRole('combobox', { name: label }).or(page.getByRole('textbox', { name: label })).first().click();
    await page.getByRole('option', { name: option }).first().click();
  }

  test('a role is copied, changed cell by cell and saved', async () => {
    await page.goto(`${url}/access`);
    await rowOf('Roles', 'Reception').getByRole('button', { name: 'Copy Reception' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill(role);
    await page.getByRole('button', { name: 'Make role' }).click();
    await rowOf('Roles', role).waitFor();
    const cell = page.getByRole('checkbox', { name: `${role} may support.manage_tickets` });
    assert.equal(await cell.isChecked(), false);
    assert.equal(await page.getByRole('checkbox', { name: 'Administrator may ledger.search' }).isDisabled(), true);
    await cell.focus();
    await page.keyboard.press('Space');
    await page.getByText('1 change of 1 role, not saved').waitFor();
    await page.getByRole('button', { name: 'Save changes' }).click();
    await page.getByText('What you change here is saved by the button.').waitFor();
    await page.reload();
    await cell.waitFor();
    assert.equal(await cell.isChecked(), true);
  });

  test('it is given for a while, explained and taken away', async () => {
    await page.goto(`${url}/access?tab=assignments`);
    await page.getByRole('button', { name: 'Assign a role' }).click();
    const dialog = page.getByRole('dialog');
    await choose('Person', /auditor@example.com/);
    await dialog.getByLabel('Role').first().click();
    await page.getByRole('option', { name: role }).click();
    await dialog.getByLabel('Until').fill('2099-01-31T18:00');
    await dialog.getByLabel('Reason').fill('covers the night');
    await clean(page, 'the dialog to assign');
    await dialog.getByRole('button', { name: 'Assign' }).click();
    const row = rowOf('Assignments', role);
    await row.waitFor();
    assert.match(await row.innerText(), /until 2099|until .*2099/);
    assert.match(await row.innerText(), /covers the night/);

    await page.getByRole('tab', { name: 'Who can do what' }).click();
    await choose('Permission', /support\.manage_tickets/);
    await rowOf('People who may support.manage_tickets', role).waitFor();
    await choose('Person', /auditor@example.com/);
    await rowOf('What this person may do', 'support.manage_tickets').waitFor();
    await clean(page, 'answers');

    await page.getByRole('tab', { name: 'Assignments' }).click();
    await row.getByRole('button', { name: /^Revoke/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
    await row.waitFor({ state: 'detached' });
    await page.getByLabel('Show what has ended').check();
    await row.first().waitFor();
    assert.match(await row.first().innerText(), /revoked/i);
  });

  test('what is refused says why', async () => {
    await page.goto(`${url}/access?tab=assignments`);
    const mine = rowOf('Assignments', 'Administrator').first();
    await mine.getByRole('button', { name: /^Revoke/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
    await page.getByText(/last admin/).waitFor();
    await page.getByRole('button', { name: 'Keep it' }).click();
  });

  test('the role is deleted', async () => {
    await page.goto(`${url}/access`);
    await rowOf('Roles', role).getByRole('button', { name: `Delete ${role}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await rowOf('Roles', role).waitFor({ state: 'detached' });
    assert.deepEqual(b.problems, []);
  });

  for (const [scheme, width, height] of [['light', 1440, 900], ['dark', 1440, 900], ['light', 390, 844], ['dark', 390, 844]]) {
    test(`no barriers: ${scheme}, ${width} px`, async () => {
      const other = await open({ scheme, width, height });
      try {
        for (const tab of ['roles', 'assignments', 'questions']) {
          await other.page.goto(`${url}/access?tab=${tab}`);
          await other.page.getByRole('heading', { name: 'Access' }).waitFor();
          if (tab !== 'questions') await other.page.getByRole('listitem').filter({ hasText: 'Auditor' }).first().waitFor();
          await clean(other.page, `${tab} ${scheme} ${width}`);
        }
        await other.page.goto(`${url}/access`);
        await other.page.getByRole('region', { name: 'Roles and permissions' }).scrollIntoViewIfNeeded();
        await other.page.getByRole('checkbox', { name: 'Auditor may ledger.search' }).waitFor();
        await clean(other.page, `matrix ${scheme} ${width}`);
      } finally {
        await other.close();
      }
    });
  }
});
