/** The accepted words of the event model, for choosing among. */
export const outcomes = ['success', 'failure', 'denied'];
export const severities = ['debug', 'info', 'notice', 'low', 'medium', 'high', 'critical'];
export const categories = ['data', 'auth', 'access', 'config', 'system', 'security', 'governance', 'other'];
export const activities = [
  'create', 'read', 'update', 'delete', 'login', 'logout', 'export', 'import', 'share', 'grant', 'revoke', 'approve', 'deny', 'execute', 'start', 'stop',
  'enable', 'disable', 'lock', 'unlock', 'send', 'other',
];
