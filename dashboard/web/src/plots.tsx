// Plots over time. Lines differ in their dashes, areas stand on each other in
// the order of the legend.
import {useEffect, useRef} from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import {shortBytes, shortNumber} from './format';
import type {Point} from './state';

const dashes: number[][] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4]];
const lineColors = ['--blue', '--orange', '--green', '--purple', '--sky'];
const height = 112;

function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name)
      .trim();
}

function axes(unit: (value: number) => string): uPlot.Axis[] {
  const look = {
    stroke: css('--text'),
    grid: {stroke: css('--line'), width: 1},
    ticks: {stroke: css('--line'), width: 1},
    font: '11px system-ui, sans-serif',
  };
  return [
    {...look, size: 28, values: [
      [60, '{HH}:{mm}', null, null, null, null, null, null, 1],
      [1, '{HH}:{mm}:{ss}', null, null, null, null, null, null, 1],
    ], space: 70},
    {...look, size: 58, values: (_, values) => values.map(unit)},
  ];
}

interface PlotProps {
  title: string;
  // What the series are; a new plot is made when they change.
  names: string[];
  stacked?: boolean;
  unit: (value: number) => string;
  data: uPlot.AlignedData;
}

function seriesOf(props: PlotProps): uPlot.Series[] {
  return props.names.map((name, i) => {
    const color = css(lineColors[i % lineColors.length]);
    return {
      label: name,
      stroke: color,
      width: 1.5,
      dash: dashes[i % dashes.length],
      fill: props.stacked ? `${color}66` : undefined,
      points: {show: false},
    };
  });
}

function Plot(props: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const key = `${props.names.join('\n')}`;
  useEffect(() => {
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot({
        width: place.current!.clientWidth,
        height,
        legend: {show: false},
        cursor: {show: false},
        scales: {y: {range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1]}},
        axes: axes(props.unit),
        series: [{}, ...seriesOf(props)],
        bands: props.stacked
          ? props.names.slice(1).map((_, i) => ({
              series: [i + 2, i + 1] as [number, number],
            }))
          : [],
      }, props.data, place.current!);
    };
    make();
    const watcher = new ResizeObserver(() => plot.current?.setSize(
        {width: place.current!.clientWidth, height}));
    watcher.observe(place.current!);
    dark.addEventListener('change', make);
    return () => {
      watcher.disconnect();
      dark.removeEventListener('change', make);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [key]);
  useEffect(() => plot.current?.setData(props.data));
  return (
    <figure class="plot">
      <figcaption>
        {props.title}
        <ul class="legend">
          {props.names.length > 1 && props.names.map((name, i) => (
            <li key={name}>
              <svg width="26" height="8" aria-hidden="true">
                <line x1="0" x2="26" y1="4" y2="4" stroke-width="3"
                      class={`line${i % lineColors.length}`}
                      stroke-dasharray={dashes[i % dashes.length].join(' ')} />
              </svg> {name}
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={place} role="img"
           aria-label={`${props.title} of the last minutes`} />
    </figure>
  );
}

// Each part on top of those before it.
function stack(history: Point[], count: number): (number | null)[][] {
  const columns: (number | null)[][] = [];
  for (let i = 0; i < count; ++i) {
    columns.push(history.map((point) => point.parts[i] === null ? null :
        point.parts.slice(0, i + 1)
            .reduce((sum: number, part) => sum + (part ?? 0), 0)));
  }
  return columns;
}

const partNames = ['computing', 'disk', 'wire', 'waiting'];

export function Plots(props: {history: Point[]}) {
  const {history} = props;
  const times = history.map((point) => point.time);
  const names = [...new Set(history.flatMap((point) => [...point.reads.keys()]))];
  return (
    <section aria-label="over time" class="plots">
      <Plot title="tokens per second" names={['tokens/s']} unit={shortNumber}
            data={[times, history.map((point) => point.tokensPerSecond)]} />
      <Plot title="ms of a token" names={partNames} stacked unit={shortNumber}
            data={[times, ...stack(history, partNames.length)]} />
      <Plot title="read from disk, per second" names={names} unit={shortBytes}
            data={[times, ...names.map((name) => history.map(
                (point) => point.reads.get(name) ?? null))]} />
    </section>
  );
}
