// Roles of other systems: an admin adds a system that answers as Strapi v5 does, compares, lets it apply, and the difference is gone.
import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { email, open, password, signIn, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const shots = process.env.PROBITY_SHOTS;
const name = `Site ${Date.now()}`;

async function clean(page, what) {
  await page.waitForTimeout(300);
  if (shots) await page.screenshot({ path: path.join(shots, `${what.replaceAll(/[^a-z0-9]+/gi, '-')}.png`), fullPage: false });
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  assert.deepEqual(violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`)), [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`);
}

describe('roles of other systems', { skip }, () => {
  let b;
  let server;
  const secret = 'admin-token-4711';
  const people = [
    { id: 1, email: 'nobody@example.com', roles: [{ id: 1 }] },
    { id: 2, email: '', roles: [] },
  ];
  before(async () => {
    people[1].email = process.env.PROBITY_AUDITOR_EMAIL;
    server = http.createServer((req, res) => {
      const at = new URL(req.url, 'http://x');
      const answer = (v) => res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(v));
      if (req.headers.authorization !== `Bearer ${secret}`) return res.writeHead(401).end();
      if (req.method === 'GET' && at.pathname === '/admin/users') return answer({ data: { results: at.searchParams.get('page') === '1' ? people : [], pagination: { total: 2 } } });
      if (req.method === 'GET' && at.pathname === '/admin/roles') return answer({ data: [{ id: 1, name: 'Editor' }] });
      let body = '';
      req.on('data', (d) => (body += d));
      return req.on('end', () => {
        const p = people.find((x) => at.pathname === `/admin/users/${x.id}`);
        p.roles = JSON.parse(body).roles.map((id) => ({ id }));
        answer({ data: p });
      });
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    b = await open();
  });
  after(async () => {
    await b?.close();
    server?.close();
  });
  const row = () => b.page.getByRole('list', { name: 'Systems' }).getByRole('listitem').filter({ hasText: name });

  test('one is added, and only reports', async () => {
    const { page } = b;
    await page.goto(`${url}/access?tab=systems`);
    await page.getByRole('button', { name: 'Add a system' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('Give its key or token').waitFor();
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByLabel('Kind').first().click();
    await page.getByRole('option', { name: 'Strapi v5' }).click();
    await dialog.getByLabel('Address').fill(`http://127.0.0.1:${server.address().port}`);
    await dialog.getByLabel('Admin token').fill(secret);
    await dialog.getByLabel('Role here, rule 1').first().click();
    await page.getByRole('option', { name: 'Auditor', exact: true }).click();
    await dialog.getByLabel('Role there, rule 1').first().fill('1');
    await clean(page, 'the dialog of a system');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await row().getByText('Only reports').waitFor();
    assert.equal(await row().getByRole('button', { name: /^Apply/ }).count(), 0);
    await row().getByRole('button', { name: /^Compare/ }).click();
    await row().getByText('Compared', { exact: true }).waitFor({ timeout: 30000 });
    await row().getByRole('button', { name: /^Differences/ }).click();
    await row().getByRole('cell', { name: 'Is missing there' }).waitFor();
    await row().getByRole('cell', { name: 'nobody@example.com' }).waitFor();
    assert.equal(people[1].roles.length, 0);
    await clean(page, 'what differs');
  });

  test('let apply, it changes what differs', async () => {
    const { page } = b;
    await row().getByRole('button', { name: /^Edit/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Let runs change roles there').check();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await row().getByRole('button', { name: /^Apply/ }).click();
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await row().getByRole('cell', { name: 'Given' }).waitFor({ timeout: 30000 });
    assert.deepEqual(people[1].roles, [{ id: 1 }]);
    assert.deepEqual(b.problems, []);
  });

  for (const [scheme, width] of [['light', 1440], ['dark', 1440], ['light', 390], ['dark', 390]]) {
    test(`the page is clean, ${scheme} at ${width}`, async () => {
      const other = await open({ scheme, width, height: width < 500 ? 844 : 900, signedIn: false });
      await signIn(other.page, email, password);
      await other.page.goto(`${url}/access?tab=systems`);
      const item = other.page.getByRole('list', { name: 'Systems' }).getByRole('listitem').filter({ hasText: name });
      await item.getByRole('button', { name: /^Differences/ }).click();
      await item.getByRole('cell', { name: 'Given' }).waitFor();
      await clean(other.page, `systems ${scheme} ${width}`);
      await other.close();
    });
  }

  test('forgotten, it is gone', async () => {
    const { page } = b;
    await row().getByRole('button', { name: /^Forget/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Forget it' }).click();
    await row().waitFor({ state: 'hidden' });
  });
});
