// Starts Debian's Chromium in a profile of its own and signs in to a running server. The server is named by PROBITY_URL, the account by
// PROBITY_EMAIL and PROBITY_PASSWORD.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

export const url = process.env.PROBITY_URL ?? 'http://127.0.0.1:8780';
export const email = process.env.PROBITY_EMAIL ?? '';
export const password = process.env.PROBITY_PASSWORD ?? '';
export const ready = email !== '' && password !== '';
export const skip = ready ? false : 'set PROBITY_URL, PROBITY_EMAIL and PROBITY_PASSWORD';

const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync',
];

/** Opens a browser; close() also removes its profile. Problems are what no page may have: script errors and refused content. */
export async function open({ width = 1440, height = 900, scheme = 'light', signedIn = true } = {}) {
  const profile = await mkdtemp(path.join(tmpdir(), 'probity-e2e-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true, args: flags, viewport: { width, height }, colorScheme: scheme, reducedMotion: 'reduce', acceptDownloads: true,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const problems = [];
  page.on('pageerror', (e) => problems.push(`script error: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error' && /Content Security Policy|Refused to|Uncaught|Warning:|is not a function|Error in route/i.test(m.text())) problems.push(m.text());
  });
  page.setDefaultTimeout(10000);
  if (signedIn) await signIn(page);
  return {
    page, context, problems,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

export async function signIn(page, as = email, secret = password) {
  await page.goto(`${url}/signin`);
  await page.getByLabel('E-mail').fill(as);
  await page.getByLabel('Password', { exact: true }).fill(secret);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Audit log' }).waitFor();
}

/** Waits until the audit log shows rows. */
export async function rowsShown(page) {
  await page.locator('[role="grid"] [role="row"][aria-rowindex="2"], ul[aria-label="Events"] li').first().waitFor();
}
