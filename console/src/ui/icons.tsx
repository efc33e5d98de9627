import type { ReactNode, SVGProps } from 'react';

/** The console's own icons: one stroke, 20 by 20, drawn in the colour of the text around them. Decorative unless titled by their button. */
function icon(children: ReactNode) {
  return function Icon({ size = 18, ...props }: SVGProps<SVGSVGElement> & { size?: number }) {
    return (
      <svg viewBox="0 0 20 20" width={size} height={size} fill="none" stroke="currentColor" strokeWidth={1.6} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false" {...props}>
        {children}
      </svg>
    );
  };
}

export const IconLog = icon(<><path d="M4 5h12M4 10h12M4 15h8" /><circle cx="15.500" cy="15" r="1" fill="currentColor" stroke="none" /></>);
export const IconExport = icon(<><path d="M10 3v9M6.500 8.500 10 12l3.500-3.500" /><path d="M4 13v3.500h12V13" /></>);
export const IconShield = icon(<><path d="M10 2.800 4 5v4.500c0 3.700 2.500 6.500 6 7.700 3.500-1.200 6-4 6-7.700V5z" /><path d="m7.500 9.800 1.900 1.900 3.300-3.500" /></>);
export const IconBell = icon(<><path d="M4.500 14h11l-1.500-2.500V8.500a4 4 0 0 0-8 0v3z" /><path d="M8.500 16.300a1.600 1.600 0 0 0 3 0" /></>);
export const IconSettings = icon(<><circle cx="7" cy="6" r="2" /><circle cx="13" cy="14" r="2" /><path d="M9 6h8M3 6h2M3 14h8M15 14h2" /></>);
export const IconSearch = icon(<><circle cx="9" cy="9" r="5" /><path d="m13 13 3.500 3.500" /></>);
export const IconClock = icon(<><circle cx="10" cy="10" r="6.800" /><path d="M10 6v4.200l2.700 1.600" /></>);
export const IconUser = icon(<><circle cx="10" cy="7" r="3" /><path d="M4.500 16.500c.8-3 3-4.500 5.500-4.500s4.700 1.500 5.500 4.500" /></>);
export const IconTenants = icon(<><path d="M3.500 16.500v-10l6-3v13M9.500 8l7 2.500v6M2.500 16.500h15" /><path d="M6 8.500h1M6 12h1M12.500 12.500h1" /></>);
export const IconClose = icon(<path d="m5.500 5.500 9 9M14.500 5.500l-9 9" />);
export const IconChevron = icon(<path d="m7.500 5 5 5-5 5" />);
export const IconDown = icon(<path d="m5 7.500 5 5 5-5" />);
export const IconColumns = icon(<><rect x="3.500" y="4" width="13" height="12" rx="1.500" /><path d="M8 4v12M12.200 4v12" /></>);
export const IconBookmark = icon(<path d="M6 3.500h8v13l-4-3-4 3z" />);
export const IconRefresh = icon(<><path d="M16 10a6 6 0 1 1-1.800-4.300" /><path d="M16.200 3v3.300h-3.300" /></>);
export const IconLive = icon(<><circle cx="10" cy="10" r="2" fill="currentColor" stroke="none" /><path d="M6 6a5.700 5.700 0 0 0 0 8M14 6a5.700 5.700 0 0 1 0 8" /></>);
export const IconCopy = icon(<><rect x="7" y="7" width="9" height="9" rx="1.500" /><path d="M4 12.500V5a1 1 0 0 1 1-1h7.500" /></>);
export const IconCheck = icon(<path d="m4.500 10.500 3.600 3.600 7.400-8" />);
export const IconWarn = icon(<><path d="M10 3.500 17 16H3z" /><path d="M10 8.500v3.200M10 13.800v.2" /></>);
export const IconSun = icon(<><circle cx="10" cy="10" r="3.200" /><path d="M10 2.500v1.800M10 15.700v1.800M2.500 10h1.800M15.700 10h1.800M4.700 4.700 6 6M14 14l1.300 1.300M4.700 15.300 6 14M14 6l1.300-1.300" /></>);
export const IconMoon = icon(<path d="M15.800 11.800A6.500 6.500 0 0 1 8.200 4.200a6.500 6.500 0 1 0 7.600 7.600z" />);
export const IconAuto = icon(<><circle cx="10" cy="10" r="6.500" /><path d="M10 3.500v13a6.500 6.500 0 0 0 0-13z" fill="currentColor" stroke="none" /></>);
export const IconJobs = icon(<><path d="M10 3.500a6.500 6.500 0 0 1 6.500 6.500M10 16.500A6.500 6.500 0 0 1 3.500 10" /><path d="M14 8.500 16.500 10 18 7.500M6 11.500 3.500 10 2 12.500" /></>);
export const IconKey = icon(<><circle cx="6.800" cy="13" r="3" /><path d="m9 10.800 6.500-6.500M13 6.800l2 2" /></>);
export const IconPlus = icon(<path d="M10 4.500v11M4.500 10h11" />);
export const IconFilter = icon(<path d="M3.500 4.500h13l-5 6v5l-3-1.500v-3.500z" />);
export const IconMenu = icon(<path d="M3.500 6h13M3.500 10h13M3.500 14h13" />);
export const IconExternal = icon(<><path d="M8 5H4.500v10.500H15V12" /><path d="M11.500 4H16v4.500M16 4l-6.500 6.500" /></>);
export const IconHelp = icon(<><circle cx="10" cy="10" r="6.800" /><path d="M8 8.200a2 2 0 1 1 2.800 1.900c-.5.2-.8.600-.8 1.200v.3M10 13.800v.1" /></>);
export const IconZoomOut = icon(<><circle cx="9" cy="9" r="5" /><path d="m13 13 3.500 3.500M7 9h4" /></>);
export const IconMore = icon(<><circle cx="5" cy="10" r="1.200" fill="currentColor" stroke="none" /><circle cx="10" cy="10" r="1.200" fill="currentColor" stroke="none" /><circle cx="15" cy="10" r="1.200" fill="currentColor" stroke="none" /></>);
export const IconTrash = icon(<path d="M4.500 6h11M8 6V4h4v2M6 6l.7 10h6.600L14 6" />);

/** The product's mark: a small Merkle tree. */
export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" fill="#177a65" />
      <path d="M16 8.500v5M16 13.500l-6.500 4.500v4.500M16 13.500l6.500 4.500v4.500" fill="none" stroke="#eaf6f2" strokeWidth="2.400" strokeLinecap="round" strokeLinejoin="round" />
      <g fill="#eaf6f2"><circle cx="16" cy="8" r="2.600" /><circle cx="9.500" cy="23.500" r="2.600" /><circle cx="22.500" cy="23.500" r="2.600" /></g>
    </svg>
  );
}
