// A mail server for the browser tests: takes every letter and writes its text, decoded, into a folder, one file each, named in order. node post.mjs FOLDER prints the port.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';

const [folder] = process.argv.slice(2);
let letters = 0;

/** The readable text of a letter in quoted-printable. */
const decoded = (raw) => Buffer.from(raw.replaceAll(/=\r\n/g, '').replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))), 'latin1').toString('utf8');

createServer((socket) => {
  let buffer = '';
  let data = false;
  const say = (line) => socket.write(`${line}\r\n`);
  socket.setEncoding('latin1');
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    buffer += chunk;
    for (;;) {
      const end = buffer.indexOf(data ? '\r\n.\r\n' : '\r\n');
      if (end < 0) return;
      const got = buffer.slice(0, end);
      buffer = buffer.slice(end + (data ? 5 : 2));
      if (data) {
        data = false;
        writeFileSync(path.join(folder, `${String(++letters).padStart(4, '0')}.txt`), decoded(got.replaceAll('\r\n..', '\r\n.')));
        say('250 taken');
        continue;
      }
      const verb = got.slice(0, 4).toUpperCase();
      if (verb === 'DATA') {
        data = true;
        say('354 go on');
      } else if (verb === 'QUIT') {
        say('221 bye');
        socket.end();
      } else {
        say('250 ok');
      }
    }
  });
  say('220 post.example');
}).listen(0, '127.0.0.1', function listening() {
  console.log(this.address().port);
});
