import type { Bytes } from './bytes';

/** The three primitives that everything is checked with. */
export interface Engine {
  /** Said to the reader: who computed this. */
  readonly name: string;
  sha256(data: Bytes): Promise<Bytes>;
  verifyEd25519(publicKey: Bytes, signature: Bytes, data: Bytes): Promise<boolean>;
}

/** The browser's own cryptography. It exists in secure contexts only (HTTPS or localhost). */
function webCrypto(subtle: SubtleCrypto): Engine {
  return {
    name: 'WebCrypto',
    sha256: async (data) => new Uint8Array(await subtle.digest('SHA-256', data)),
    verifyEd25519: async (publicKey, signature, data) => {
      const k = await subtle.importKey('raw', publicKey, { name: 'Ed25519' }, false, ['verify']);
      return subtle.verify({ name: 'Ed25519' }, k, signature, data);
    },
  };
}

/** The same in JavaScript, loaded only where it is needed. */
export async function javascriptEngine(): Promise<Engine> {
  const [ed, sha2] = await Promise.all([import('@noble/ed25519'), import('@noble/hashes/sha2.js')]);
  ed.hashes.sha512 = sha2.sha512;
  return {
    name: 'JavaScript (noble)',
    sha256: async (data) => sha2.sha256(data) as Bytes,
    verifyEd25519: async (publicKey, signature, data) => {
      try {
        return ed.verify(signature, data, publicKey, { zip215: false });
      } catch {
        return false; // a signature or key that is no point of the curve
      }
    },
  };
}

async function knowsEd25519(subtle: SubtleCrypto): Promise<boolean> {
  try {
    // RFC 8032 §7.1, test 1: the public key. Browsers without Ed25519 refuse the algorithm's name.
    const key = Uint8Array.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'.match(/../g) ?? [], (h) => Number.parseInt(h, 16));
    await subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
    return true;
  } catch {
    return false;
  }
}

/** The best engine here: WebCrypto for all, WebCrypto for hashes and JavaScript for signatures, or JavaScript for all. */
export async function chooseEngine(subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle): Promise<Engine> {
  if (!subtle) return javascriptEngine();
  const web = webCrypto(subtle);
  if (await knowsEd25519(subtle)) return web;
  const js = await javascriptEngine();
  return { ...web, name: 'WebCrypto, signatures in JavaScript (noble)', verifyEd25519: js.verifyEd25519 };
}
