import { open, rowsShown, url } from './browser.mjs';
const S='/tmp/shots/';
{ const b = await open({scheme:'dark'}); const {page}=b;
  await page.goto(`${url}/events?range=90d`); await rowsShown(page); await page.waitForTimeout(500);
  await page.getByRole('button',{name:/^Time range/}).click(); await page.getByRole('button',{name:'Use this range'}).waitFor(); await page.waitForTimeout(300);
  await page.screenshot({path:S+'m-range-dark.png'}); await page.keyboard.press('Escape');
  await page.getByRole('button',{name:'Export',exact:true}).click(); await page.getByRole('dialog').waitFor(); await page.waitForTimeout(400); await page.screenshot({path:S+'m-export-dark.png'});
  await b.close(); }
{ const b = await open({scheme:'light'}); const {page}=b;
  await page.goto(`${url}/events?range=all&action=record.update`); await rowsShown(page);
  await page.getByRole('button',{name:'Actor'}).click(); await page.getByLabel('Who did it').fill('ana'); await page.waitForTimeout(900); await page.screenshot({path:S+'m-actor-light.png'}); await page.keyboard.press('Escape'); await page.keyboard.press('Escape');
  await page.locator('[role="row"][aria-rowindex="3"]').click(); await page.getByRole('tab',{name:'Details'}).waitFor(); await page.waitForTimeout(500); await page.screenshot({path:S+'m-update-light.png'});
  await page.getByRole('link',{name:'history'}).first().click(); await page.waitForTimeout(1200); await page.screenshot({path:S+'m-resource-light.png'});
  await page.goto(`${url}/exports`); await page.waitForTimeout(800); await page.screenshot({path:S+'m-exports-light.png'});
  await page.goto(`${url}/events?range=all&text=zzzznothing`); await page.getByText('No events here').waitFor(); await page.screenshot({path:S+'m-empty-light.png'});
  await page.getByRole('button',{name:/Administrator/}).click(); await page.waitForTimeout(400); await page.screenshot({path:S+'m-user-light.png'});
  await b.close(); }
{ const b = await open({scheme:'light',width:390,height:844}); const {page}=b;
  await page.getByRole('button',{name:'Open navigation'}).click(); await page.waitForTimeout(500); await page.screenshot({path:S+'m-nav-390.png'});
  await b.close(); }
{ const b = await open({scheme:'light',signedIn:false}); await b.page.goto(url+'/signin'); await b.page.waitForTimeout(800); await b.page.screenshot({path:S+'m-signin.png'}); await b.close(); }
