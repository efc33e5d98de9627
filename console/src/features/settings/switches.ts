import { queryOptions } from '@tanstack/react-query';
import { request } from '../../api/client';
import { featureFlagSchema, featureFlagsSchema, keySchema, tokenIssuerSchema, tokenIssuersSchema } from '../../api/schemas';
import type { FeatureFlag, TokenIssuer } from '../../api/schemas';

export const flagsQuery = queryOptions({ queryKey: ['flags'], queryFn: ({ signal }) => request('GET', '/api/flags', { schema: featureFlagsSchema, signal }) });

export const saveFlag = (f: FeatureFlag) =>
  request('PUT', `/api/flags/${encodeURIComponent(f.name)}`, {
    schema: featureFlagSchema,
    body: {
      default: f.default, percentage: f.percentage, killed: f.killed, ...(f.description ? { description: f.description } : {}), ...(f.owner ? { owner: f.owner } : {}),
      ...(f.roles.length > 0 ? { roles: f.roles } : {}), ...(f.expires_at ? { expires_at: f.expires_at } : {}),
    },
  });
export const removeFlag = (name: string) => request('DELETE', `/api/flags/${encodeURIComponent(name)}`);

export const issuersQuery = queryOptions({ queryKey: ['token-issuers'], queryFn: ({ signal }) => request('GET', '/api/token-issuers', { schema: tokenIssuersSchema, signal }) });

const issuerBody = (i: TokenIssuer) => ({ name: i.name, issuer: i.issuer, audience: i.audience, jwks_url: i.jwks_url, ...(i.claim ? { claim: i.claim } : {}), permissions: i.permissions, grants: i.grants });
export const trustIssuer = (i: TokenIssuer) => request('POST', '/api/token-issuers', { body: issuerBody(i), schema: tokenIssuerSchema });
export const changeIssuer = (i: TokenIssuer) => request('PUT', `/api/token-issuers/${encodeURIComponent(i.id)}`, { body: { ...issuerBody(i), paused: i.paused }, schema: tokenIssuerSchema });
export const distrustIssuer = (id: string) => request('DELETE', `/api/token-issuers/${encodeURIComponent(id)}`);

export const rotateKey = ({ id, overlap }: { id: string; overlap: number }) => request('POST', `/api/keys/${encodeURIComponent(id)}/rotate`, { body: { overlap_seconds: overlap }, schema: keySchema });
