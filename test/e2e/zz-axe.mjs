import { AxeBuilder } from '@axe-core/playwright';
import { open, rowsShown, url } from './browser.mjs';
const b = await open();
await b.page.goto(`${url}/events?range=30d&outcome=success`); await rowsShown(b.page); await b.page.waitForTimeout(500);
const { violations } = await new AxeBuilder({ page: b.page }).analyze();
for (const v of violations) for (const n of v.nodes) console.log(v.id, n.html.slice(0,400), n.target);
await b.close();
