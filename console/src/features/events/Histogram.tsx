import { useElementSize } from '@mantine/hooks';
import { useMemo, useRef, useState } from 'react';
import type { KeyboardEvent, PointerEvent } from 'react';
import type { Stats } from '../../api/schemas';
import { formatCompact, plural, useTimes } from '../../ui/format';
import type { Range } from './filter';
import { barsOf, domainOf, niceMax, ticksOf, zoneOffset } from './histogram';
import type { Bar } from './histogram';
import classes from './Histogram.module.css';

interface Props {
  stats: Stats;
  range: Range;
  now: number;
  busy: boolean;
  onZoom: (from: number, to: number) => void;
}

const height = 84;
const base = 66;
const axis = 34;

/** Where the pointer or the keyboard is on the chart, and what it selects. */
function useSelection(bars: readonly Bar[], x: (t: number) => number, timeAt: (px: number) => number, onZoom: Props['onZoom']) {
  const svg = useRef<SVGSVGElement>(null);
  const [hover, setHover] = useState<number | null>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const local = (e: PointerEvent): number => e.clientX - (svg.current?.getBoundingClientRect().left ?? 0);
  const barAt = (px: number): number => bars.findIndex((b) => px >= x(b.start) && px < Math.max(x(b.end), x(b.start) + 2));
  const zoomTo = (bar: Bar | undefined): void => {
    if (!bar) return;
    setHover(null);
    onZoom(bar.start, bar.end);
  };
  const pointer = {
    onPointerDown: (e: PointerEvent) => {
      if (e.button !== 0) return;
      e.currentTarget.setPointerCapture(e.pointerId);
      setDrag([local(e), local(e)]);
    },
    onPointerMove: (e: PointerEvent) => {
      const px = local(e);
      setDrag((d) => (d ? [d[0], px] : null));
      const i = barAt(px);
      setHover(i < 0 ? null : i);
    },
    onPointerUp: (e: PointerEvent) => {
      if (!drag) return;
      const [a, b] = [Math.min(...drag), Math.max(...drag)];
      setDrag(null);
      if (b - a <= 5) {
        zoomTo(bars[barAt(local(e))]);
        return;
      }
      setHover(null);
      onZoom(Math.round(timeAt(a)), Math.round(timeAt(b)));
    },
    onPointerCancel: () => setDrag(null),
    onPointerLeave: () => setHover(null),
  };
  const onKeyDown = (e: KeyboardEvent): void => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (move && bars.length > 0) {
      e.preventDefault();
      setHover((h) => (h === null ? (move > 0 ? 0 : bars.length - 1) : Math.min(bars.length - 1, Math.max(0, h + move))));
    } else if (e.key === 'Enter' && hover !== null) zoomTo(bars[hover]);
  };
  return { svg, hover, drag, pointer, onKeyDown, onBlur: () => setHover(null) };
}

/**
 * Events over time, failures in their own colour at the foot of each bar. Click a bar or drag over several to zoom; with the keyboard,
 * arrows choose a bar and Enter zooms into it.
 */
export function Histogram({ stats, range, now, busy, onZoom }: Props) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const times = useTimes();
  const bars = useMemo(() => barsOf(stats), [stats]);
  const [from, to] = useMemo(() => domainOf(bars, range, now), [bars, range, now]);
  const max = niceMax(Math.max(1, ...bars.map((b) => b.count)));
  const inner = Math.max(1, width - axis);
  const x = (t: number): number => axis + ((Math.min(to, Math.max(from, t)) - from) / (to - from)) * inner;
  const timeAt = (px: number): number => from + Math.min(1, Math.max(0, (px - axis) / inner)) * (to - from);
  const { svg, hover, drag, pointer, onKeyDown, onBlur } = useSelection(bars, x, timeAt, onZoom);
  const chosen = hover === null ? undefined : bars[hover];
  const label = (b: Bar): string => `${times.time(b.start)} to ${times.time(b.end)}: ${plural(b.count, 'event')}, ${plural(b.failures, 'failure')}`;
  return (
    <div
      ref={ref} className={classes.wrap} tabIndex={0} role="slider" aria-label="Events over time; arrows choose a stretch, Enter zooms into it"
      aria-valuemin={0} aria-valuemax={Math.max(0, bars.length - 1)} aria-valuenow={hover ?? 0} data-busy={busy || undefined}
      aria-valuetext={chosen ? label(chosen) : `${plural(stats.total, 'event')} in all`} onKeyDown={onKeyDown} onBlur={onBlur}
    >
      {width > 0 && (
        <svg ref={svg} width={width} height={height} className={classes.svg} aria-hidden="true" {...pointer}>
          <Axes width={width} max={max} from={from} to={to} x={x} zone={times.zone} />
          {bars.map((b, i) => (
            <BarShape key={b.start} bar={b} x0={x(b.start)} x1={x(b.end)} max={max} active={i === hover} />
          ))}
          {drag && Math.abs(drag[1] - drag[0]) > 5 && (
            <rect x={Math.min(...drag)} width={Math.abs(drag[1] - drag[0])} y={2} height={base - 2} className={classes.brush} />
          )}
        </svg>
      )}
      {chosen && (
        <div className={classes.tip} style={{ left: Math.min(Math.max(x((chosen.start + chosen.end) / 2), 110), Math.max(110, width - 110)) }} aria-hidden="true">
          <strong>{plural(chosen.count, 'event')}</strong>
          {chosen.failures > 0 && <span className={classes.fail}> · {plural(chosen.failures, 'failure')}</span>}
          <br />
          {times.time(chosen.start)}
        </div>
      )}
    </div>
  );
}

function Axes({ width, max, from, to, x, zone }: { width: number; max: number; from: number; to: number; x: (t: number) => number; zone: string }) {
  const { times, step } = ticksOf([from, to], Math.max(2, (width - axis) / 90), zoneOffset(zone, from));
  const anchor = (px: number): 'start' | 'middle' | 'end' => (px > width - 30 ? 'end' : px < axis + 20 ? 'start' : 'middle');
  return (
    <>
      {[0.5, 1].map((f) => (
        <g key={f}>
          <line x1={axis} x2={width} y1={base - f * (base - 8)} y2={base - f * (base - 8)} className={classes.grid} />
          <text x={axis - 6} y={base - f * (base - 8) + 4} textAnchor="end" className={classes.text}>
            {formatCompact(Math.round(max * f * 10) / 10)}
          </text>
        </g>
      ))}
      <line x1={axis} x2={width} y1={base + 0.5} y2={base + 0.5} className={classes.axis} />
      {times.map((t) => (
        <text key={t} x={x(t)} y={height - 3} textAnchor={anchor(x(t))} className={classes.text}>
          {tickLabel(t, step, zone)}
        </text>
      ))}
    </>
  );
}

function BarShape({ bar, x0, x1, max, active }: { bar: Bar; x0: number; x1: number; max: number; active: boolean }) {
  const gap = x1 - x0 > 14 ? 3 : x1 - x0 > 4 ? 1 : 0;
  const w = Math.max(1, x1 - x0 - gap);
  const tall = (n: number): number => (n === 0 ? 0 : Math.max(1.5, (n / max) * (base - 8)));
  const total = tall(bar.count);
  const failed = bar.failures === 0 ? 0 : Math.min(total, Math.max(2.5, tall(bar.failures)));
  return (
    <g>
      <rect x={x0} width={w} y={base - total} height={total} rx={gap === 3 ? 2 : 0} className={active ? classes.barActive : classes.bar} />
      {failed > 0 && <rect x={x0} width={w} y={base - failed} height={failed} className={classes.barFail} />}
    </g>
  );
}

function tickLabel(t: number, step: number, zone: string): string {
  const options: Intl.DateTimeFormatOptions =
    step < 86400e3 ? { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } : step < 28 * 86400e3 ? { day: 'numeric', month: 'short' } : { month: 'short', year: '2-digit' };
  const text = new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...options }).format(t);
  if (step < 86400e3 && text === '00:00') return new Intl.DateTimeFormat('en-GB', { timeZone: zone, day: 'numeric', month: 'short' }).format(t);
  return text;
}
