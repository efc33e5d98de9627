import { request } from '../../api/client';
import { downloadSchema, linkSchema, linksSchema } from '../../api/schemas';

/** What a download link leads to; asking counts as no download. */
export function aboutDownload(token: string) {
  return request('POST', '/api/downloads/about', { body: { token }, schema: downloadSchema });
}

export const linksQuery = (exportId: string) => ({
  queryKey: ['exports', exportId, 'links'],
  queryFn: ({ signal }: { signal: AbortSignal }) => request('GET', `/api/exports/${encodeURIComponent(exportId)}/links`, { schema: linksSchema, signal }),
});

export function createLink(exportId: string) {
  return request('POST', `/api/exports/${encodeURIComponent(exportId)}/links`, { schema: linkSchema });
}

export function revokeLink(exportId: string, link: string) {
  return request('DELETE', `/api/exports/${encodeURIComponent(exportId)}/links/${encodeURIComponent(link)}`);
}
