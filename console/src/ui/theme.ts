import { createTheme, rem } from '@mantine/core';
import type { CSSVariablesResolver, MantineColorsTuple } from '@mantine/core';

/** The product's own scales. Pine carries actions and selection; ember is kept for failure, amber for denial and caution. */
const pine: MantineColorsTuple = ['#eaf6f2', '#d3ebe3', '#a6d6c7', '#76c0aa', '#4fac92', '#2c937a', '#177a65', '#0f6556', '#0b5247', '#073c34'];
const ember: MantineColorsTuple = ['#fdf0ec', '#f9dcd4', '#f1b5a5', '#e98c74', '#e06a4c', '#d1512f', '#b93f1f', '#a03418', '#832a13', '#5f1d0c'];
const amber: MantineColorsTuple = ['#fdf5e4', '#f9e7c2', '#f1cf87', '#e8b54c', '#dd9f22', '#bd8210', '#976607', '#7c5305', '#634204', '#473002'];
const gray: MantineColorsTuple = ['#f6f8f7', '#edf1ef', '#dfe5e2', '#cdd5d1', '#aab5b0', '#83908a', '#5f6c66', '#47534e', '#313b37', '#1d2522'];
const night: MantineColorsTuple = ['#d5dfdb', '#b4c1bc', '#98a7a1', '#62736c', '#37453f', '#2b3732', '#1e2824', '#161e1b', '#111815', '#0c110f'];

const sans = "'IBM Plex Sans Variable', 'IBM Plex Sans', system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif";
const mono = "'IBM Plex Mono', ui-monospace, 'SF Mono', 'Cascadia Mono', 'Noto Sans Mono', Menlo, monospace";

export const theme = createTheme({
  colors: { pine, ember, amber, gray, dark: night },
  primaryColor: 'pine',
  // White text on either shade is above 5:1.
  primaryShade: { light: 7, dark: 6 },
  fontFamily: sans,
  fontFamilyMonospace: mono,
  headings: { fontFamily: sans, fontWeight: '600' },
  defaultRadius: 'md',
  radius: { xs: rem(3), sm: rem(5), md: rem(7), lg: rem(10), xl: rem(16) },
  fontSizes: { xs: rem(12), sm: rem(13.5), md: rem(15), lg: rem(17), xl: rem(20) },
  focusRing: 'auto',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Tooltip: { defaultProps: { openDelay: 350, withArrow: true } },
    Badge: { defaultProps: { radius: 'sm', variant: 'light' }, styles: { root: { textTransform: 'none', fontWeight: 550, letterSpacing: 0, fontSize: 'calc(var(--badge-fz) * 1.12)' } } },
    Modal: { defaultProps: { centered: true, closeButtonProps: { 'aria-label': 'Close' }, overlayProps: { backgroundOpacity: 0.4, blur: 2 } }, styles: { title: { fontWeight: 600, fontSize: '1.05rem' } } },
    Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } },
    Menu: { defaultProps: { shadow: 'md', withinPortal: true } },
    Popover: { defaultProps: { shadow: 'md', withinPortal: true } },
    Table: { defaultProps: { verticalSpacing: 'sm', highlightOnHover: true } },
  },
});

/** Colours that the library's defaults leave below AA, and the product's surfaces: by day. */
const light = {
  '--mantine-color-body': '#ffffff',
  '--mantine-color-text': '#1d2522',
  '--mantine-color-dimmed': '#56635d',
  '--mantine-color-placeholder': '#66736d',
  '--mantine-color-anchor': '#0f6556',
  '--mantine-color-error': '#b93f1f',
  '--mantine-color-default-border': '#cdd5d1',
  '--mantine-color-pine-light': '#d9eee7',
  '--mantine-color-pine-light-hover': '#c9e5dc',
  '--mantine-color-pine-light-color': '#0a4a40',
  '--mantine-color-ember-light': '#fbe6e0',
  '--mantine-color-ember-light-hover': '#f7d6cc',
  '--mantine-color-ember-light-color': '#7d2710',
  '--mantine-color-amber-light': '#fbedcf',
  '--mantine-color-amber-light-hover': '#f6e0b0',
  '--mantine-color-amber-light-color': '#5b3d03',
  '--mantine-color-gray-light': '#e9eeeb',
  '--mantine-color-gray-light-hover': '#dfe6e2',
  '--mantine-color-gray-light-color': '#37443f',
  '--pb-canvas': '#f6f8f7',
  '--pb-surface': '#ffffff',
  '--pb-rail': '#0d2f2a',
  '--pb-rail-text': '#c3dad3',
  '--pb-rail-strong': '#ffffff',
  '--pb-rail-active': 'rgba(255, 255, 255, 0.11)',
  '--pb-line': '#dfe5e2',
  '--pb-line-soft': '#edf1ef',
  '--pb-hover': '#f1f5f3',
  '--pb-active': '#e2f1ec',
  '--pb-accent': '#0f6556',
  '--pb-bar': '#84bfae',
  '--pb-bar-strong': '#2c937a',
  '--pb-fail': '#d1512f',
  '--pb-fail-text': '#a8381a',
  '--pb-warn-text': '#7c5305',
  '--pb-removed': '#fdecea',
  '--pb-removed-mark': '#f7c9bf',
  '--pb-removed-text': '#7f2410',
  '--pb-added': '#e7f4ec',
  '--pb-added-mark': '#b7e0c6',
  '--pb-added-text': '#14502f',
};

/** The same by night. */
const dark = {
  '--mantine-color-body': '#161e1b',
  '--mantine-color-text': '#dbe4e0',
  '--mantine-color-dimmed': '#9dada6',
  '--mantine-color-placeholder': '#8c9c95',
  '--mantine-color-anchor': '#7cc7b1',
  '--mantine-color-error': '#ef8f75',
  '--mantine-color-default-border': '#37453f',
  '--mantine-color-pine-light': '#1c3a33',
  '--mantine-color-pine-light-hover': '#224840',
  '--mantine-color-pine-light-color': '#a9dac9',
  '--mantine-color-ember-light': '#3b1e17',
  '--mantine-color-ember-light-hover': '#4a261d',
  '--mantine-color-ember-light-color': '#f6b8a6',
  '--mantine-color-amber-light': '#372b12',
  '--mantine-color-amber-light-hover': '#463717',
  '--mantine-color-amber-light-color': '#f1cf87',
  '--mantine-color-gray-light': '#2a3631',
  '--mantine-color-gray-light-hover': '#34423c',
  '--mantine-color-gray-light-color': '#c6d2cd',
  '--pb-canvas': '#111815',
  '--pb-surface': '#161e1b',
  '--pb-rail': '#0b1210',
  '--pb-rail-text': '#a9bbb4',
  '--pb-rail-strong': '#f0f6f3',
  '--pb-rail-active': 'rgba(118, 192, 170, 0.16)',
  '--pb-line': '#2b3732',
  '--pb-line-soft': '#222d29',
  '--pb-hover': '#1b2521',
  '--pb-active': '#1d332d',
  '--pb-accent': '#76c0aa',
  '--pb-bar': '#3f7f70',
  '--pb-bar-strong': '#76c0aa',
  '--pb-fail': '#e06a4c',
  '--pb-fail-text': '#f09a82',
  '--pb-warn-text': '#e8b54c',
  '--pb-removed': '#351c16',
  '--pb-removed-mark': '#6b2c1d',
  '--pb-removed-text': '#f6c1b3',
  '--pb-added': '#14291f',
  '--pb-added-mark': '#23553a',
  '--pb-added-text': '#b4e3c5',
};

export const resolver: CSSVariablesResolver = () => ({ variables: {}, light, dark });
