import { open, url, rowsShown } from './browser.mjs';
const which = process.argv.slice(2);
const out = '/tmp/shots'; import { mkdirSync } from 'node:fs'; mkdirSync(out,{recursive:true});
const want = (n) => which.length===0 || which.some(w=>n.startsWith(w));
for (const [scheme,width,height] of [['light',1440,900],['dark',1440,900],['light',390,844],['dark',390,844]]) {
  const tag=`${scheme}-${width}`;
  if (process.env.ONLY && !process.env.ONLY.split(',').includes(tag)) continue;
  const b = await open({width,height,scheme});
  const {page} = b;
  const shot = async (name,full=false)=>{ if(want(name)) await page.screenshot({path:`${out}/${name}-${tag}.png`,fullPage:full}); };
  try {
    await page.goto(`${url}/events?range=30d`); await rowsShown(page); await page.waitForTimeout(700);
    await shot('log');
    if (want('drawer')||want('proof')||want('raw')||want('related')) {
      await page.locator('[role="row"][aria-rowindex="4"], ul[aria-label="Events"] li:nth-child(3) button').first().click();
      await page.getByRole('tab',{name:'Details'}).waitFor(); await page.waitForTimeout(400);
      await shot('drawer');
      await page.getByRole('tab',{name:'Proof'}).click(); await page.getByText(/Verified in this browser|does not verify/).first().waitFor(); await page.waitForTimeout(200);
      await shot('proof');
      await page.getByRole('tab',{name:'Related'}).click(); await page.waitForTimeout(600); await shot('related');
      await page.getByRole('tab',{name:'Raw'}).click(); await page.waitForTimeout(200); await shot('raw');
    }
    for (const [n,p] of [['exports','/exports'],['integrity','/log'],['keys','/settings?tab=keys'],['users','/settings?tab=users'],['classes','/settings?tab=events'],['fields','/settings?tab=fields'],['retention','/settings?tab=exports']]) {
      if (!want(n)) continue;
      await page.goto(url+p); await page.waitForTimeout(900); await shot(n,false);
    }
  } catch(e) { console.log(tag, e.message); await page.screenshot({path:`${out}/error-${tag}.png`}); }
  if (b.problems.length) console.log(tag, [...new Set(b.problems)].slice(0,8));
  await b.close();
}
