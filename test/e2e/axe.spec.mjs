// Every page, in both colour schemes, on a desk and on a phone: no finding of axe at WCAG 2.2 AA.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { open, rowsShown, skip, url } from './browser.mjs';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function findings(page) {
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? ''}`));
}

const stops = [
  ['audit log', async (page) => {
    await page.goto(`${url}/events?range=30d&outcome=success`);
    await rowsShown(page);
  }],
  ['event', async (page) => {
    await page.locator('[role="row"][aria-rowindex="3"], ul[aria-label="Events"] li:nth-child(2) button').first().click();
    await page.getByRole('tab', { name: 'Details' }).waitFor();
    await page.waitForTimeout(300);
  }],
  ['proof', async (page) => {
    await page.getByRole('tab', { name: 'Proof' }).click();
    await page.getByText('Verified in this browser').waitFor();
  }],
  ['export dialog', async (page) => {
    await page.goto(`${url}/events?range=30d`);
    await rowsShown(page);
    await page.getByRole('button', { name: 'Export', exact: true }).click();
    await page.getByRole('dialog').waitFor();
    await page.waitForTimeout(300);
  }],
  ['time range', async (page) => {
    await page.goto(`${url}/events?range=30d`);
    await rowsShown(page);
    await page.getByRole('button', { name: /^Time range/ }).click();
    await page.getByRole('button', { name: 'Use this range' }).waitFor();
    await page.waitForTimeout(300);
  }],
  ['exports', async (page) => {
    await page.goto(`${url}/exports`);
    await page.getByRole('heading', { name: 'Exports', level: 1 }).waitFor();
  }],
  ['schedules', async (page) => {
    await page.goto(`${url}/schedules`);
    await page.getByRole('button', { name: 'New schedule' }).first().click();
    await page.getByRole('dialog').getByText(/^Next, /).waitFor();
    await page.waitForTimeout(300);
  }],
  ['a link that does not work', async (page) => {
    await page.goto(`${url}/download#v1.nothing`);
    await page.getByText('This link does not work').waitFor();
  }],
  ['jobs', async (page) => {
    await page.goto(`${url}/jobs`);
    await page.getByRole('list', { name: 'Jobs' }).or(page.getByText('No jobs yet')).first().waitFor();
  }],
  ...['', '?tab=deliveries', '?tab=dead-letters'].map((tab) => [`notifications${tab}`, async (page) => {
    await page.goto(`${url}/notifications${tab}`);
    await page.getByRole('tabpanel').locator('.panel').first().waitFor();
  }]),
  ['new channel', async (page) => {
    await page.goto(`${url}/notifications`);
    await page.getByRole('button', { name: 'New channel' }).click();
    await page.getByRole('dialog').getByLabel('Name').waitFor();
    await page.waitForTimeout(300);
  }],
  ...['', '?tab=rules', '?tab=live'].map((tab) => [`alerts${tab}`, async (page) => {
    await page.goto(`${url}/alerts${tab}`);
    await page.getByRole('tabpanel').locator('.panel').first().waitFor();
  }]),
  ['new rule', async (page) => {
    await page.goto(`${url}/alerts?tab=rules`);
    await page.getByRole('button', { name: 'New rule' }).click();
    await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).waitFor();
    await page.waitForTimeout(300);
  }],
  ['new stream', async (page) => {
    await page.goto(`${url}/streams`);
    await page.getByRole('button', { name: 'New stream' }).click();
    await page.getByRole('dialog').getByLabel('Name').waitFor();
    await page.waitForTimeout(300);
  }],
  ['log integrity', async (page) => {
    await page.goto(`${url}/log`);
    await page.getByText('Signed checkpoint').first().waitFor();
  }],
  ...['keys', 'users', 'events', 'fields', 'exports', 'crypto'].map((tab) => [`settings: ${tab}`, async (page) => {
    await page.goto(`${url}/settings?tab=${tab}`);
    await page.getByRole('tabpanel').locator('.panel').first().waitFor();
  }]),
];

describe('accessibility', { skip }, () => {
  for (const [scheme, width, height] of [['light', 1440, 900], ['dark', 1440, 900], ['light', 390, 844], ['dark', 390, 844]]) {
    test(`${scheme}, ${width} px`, async (t) => {
      const out = await open({ scheme, width, height, signedIn: false });
      await out.page.goto(`${url}/signin`);
      await out.page.getByRole('button', { name: 'Sign in' }).waitFor();
      assert.deepEqual(await findings(out.page), [], 'sign-in');
      await out.close();
      const b = await open({ scheme, width, height });
      try {
        for (const [name, go] of stops) {
          await t.test(name, async () => {
            await go(b.page);
            await b.page.waitForTimeout(250);
            assert.deepEqual(await findings(b.page), []);
            const overflow = await b.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            assert.ok(overflow <= 0, `the page is ${overflow} px wider than the screen`);
          });
        }
        assert.deepEqual([...new Set(b.problems)], []);
      } finally {
        await b.close();
      }
    });
  }
});
