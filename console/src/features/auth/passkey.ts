/** WebAuthn options and answers are JSON with base64url where the browser wants bytes. Not every browser can read and write that itself. */

const bytes = (text: unknown): Uint8Array<ArrayBuffer> => {
  const raw = atob(String(text).replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
};

const base64url = (buffer: ArrayBuffer | null): string | undefined =>
  buffer ? btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '') : undefined;

type JSONObject = Record<string, unknown>;

const descriptors = (list: unknown): PublicKeyCredentialDescriptor[] =>
  Array.isArray(list) ? (list as JSONObject[]).map((d) => ({ ...d, id: bytes(d['id']) }) as unknown as PublicKeyCredentialDescriptor) : [];

/** What the person should know when the browser gives no passkey. */
export class PasskeyError extends Error {
  override readonly name = 'PasskeyError';
}

export const canPasskey = (): boolean => typeof window !== 'undefined' && 'PublicKeyCredential' in window && 'credentials' in navigator;

/** JSON numbers of the API keep their spelling; the browser wants numbers. */
const plain = (options: JSONObject): JSONObject => {
  const timeout = Number(String(options['timeout'] ?? ''));
  return { ...options, timeout: Number.isFinite(timeout) && timeout > 0 ? timeout : undefined };
};

async function asked(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  if (!canPasskey()) throw new PasskeyError('This browser cannot use passkeys.');
  try {
    const credential = await ask();
    if (credential) return credential as PublicKeyCredential;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'InvalidStateError') throw new PasskeyError('This device has a passkey for this account already.');
    if (cause instanceof DOMException && cause.name === 'SecurityError') throw new PasskeyError('Passkeys belong to another address of this server. Open the console there.');
  }
  throw new PasskeyError('No passkey was given. Try again, or choose another way.');
}

/** Has one of the person's passkeys answer. */
export async function answerPasskey(options: JSONObject): Promise<JSONObject> {
  const publicKey = { ...plain(options), challenge: bytes(options['challenge']), allowCredentials: descriptors(options['allowCredentials']) } as unknown as PublicKeyCredentialRequestOptions;
  const c = await asked(() => navigator.credentials.get({ publicKey }));
  const r = c.response as AuthenticatorAssertionResponse;
  return {
    id: c.id, rawId: base64url(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment ?? undefined, clientExtensionResults: {},
    response: { clientDataJSON: base64url(r.clientDataJSON), authenticatorData: base64url(r.authenticatorData), signature: base64url(r.signature), userHandle: base64url(r.userHandle) },
  };
}

/** Has the browser make a passkey. */
export async function makePasskey(options: JSONObject): Promise<JSONObject> {
  const user = options['user'] as JSONObject;
  const params = (Array.isArray(options['pubKeyCredParams']) ? (options['pubKeyCredParams'] as JSONObject[]) : []).map((p) => ({ type: 'public-key' as const, alg: Number(String(p['alg'])) }));
  const publicKey = {
    ...plain(options), challenge: bytes(options['challenge']), user: { ...user, id: bytes(user['id']) }, pubKeyCredParams: params, excludeCredentials: descriptors(options['excludeCredentials']),
  } as unknown as PublicKeyCredentialCreationOptions;
  const c = await asked(() => navigator.credentials.create({ publicKey }));
  const r = c.response as AuthenticatorAttestationResponse;
  return {
    id: c.id, rawId: base64url(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment ?? undefined, clientExtensionResults: {},
    response: { clientDataJSON: base64url(r.clientDataJSON), attestationObject: base64url(r.attestationObject), transports: r.getTransports?.() ?? [] },
  };
}
