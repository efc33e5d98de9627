import { open, rowsShown, url } from './browser.mjs';
const S='/tmp/shots/';
const b = await open(); const {page}=b;
// create an auditor through the UI
const mail=`auditor${Date.now()}@example.com`;
await page.goto(`${url}/settings?tab=users`); await page.getByRole('button',{name:'New user'}).click();
const d=page.getByRole('dialog'); await d.getByLabel('Name').fill('Audrey Auditor'); await d.getByLabel('E-mail').fill(mail); await d.getByLabel('First password',{exact:true}).fill('a long first pass phrase'); await page.screenshot({path:S+'a-newuser.png'});
await d.getByRole('button',{name:'Create user'}).click(); await page.getByText(mail).waitFor(); await page.screenshot({path:S+'a-users.png'});
await b.close();
const c = await open({signedIn:false}); const p=c.page;
await p.goto(url+'/signin'); await p.getByLabel('E-mail').fill(mail); await p.getByLabel('Password',{exact:true}).fill('a long first pass phrase'); await p.getByRole('button',{name:'Sign in'}).click(); await p.getByRole('heading',{name:'Audit log'}).waitFor();
await p.goto(`${url}/events?range=all&action=patient.update`); await rowsShown(p); await p.waitForTimeout(400); await p.screenshot({path:S+'a-list.png'});
await p.locator('[role="row"][aria-rowindex="3"]').click(); await p.getByRole('tab',{name:'Details'}).waitFor(); await p.waitForTimeout(500); await p.screenshot({path:S+'a-detail.png'});
await p.getByRole('tab',{name:'Proof'}).click(); await p.getByText(/Verified in this browser|does not verify/).first().waitFor(); await p.locator('aside').evaluate(e=>e.scrollTo(0,700)); await p.waitForTimeout(200); await p.screenshot({path:S+'a-proof.png'});
console.log(c.problems); await c.close();
