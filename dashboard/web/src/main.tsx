import {render} from 'preact';
import {Chat} from './chat';
import {Devices} from './devices';
import {Events} from './events';
import {Figures, Title, TokenBar} from './head';
import {PlanGrid} from './plan';
import {Plots} from './plots';
import {followForever, state} from './state';
import {setKey} from './stream';
import type {Link} from './types';
import './style.css';

function Key(props: {message: string}) {
  return (
    <form class="key" onSubmit={(event) => {
      event.preventDefault();
      const field = new FormData(event.currentTarget).get('key');
      setKey(String(field).trim());
      void followForever(draw);
    }}>
      <h1>Shoal</h1>
      <p>{props.message}</p>
      <label>API key <input name="key" type="password" autocomplete="off"
                            required autofocus /></label>
      <button type="submit">Show</button>
    </form>
  );
}

function LinkNotice(props: {link: Link}) {
  const {link} = props;
  return (
    <div role="alert" aria-live="assertive">
      {link.state !== 'live' &&
        <p class="notice" data-field="link">
          {link.state === 'connecting' ? '' : '⚠ '}{link.message}
          {link.state !== 'connecting' && '; asking again every second'}
        </p>}
    </div>
  );
}

function App() {
  const {link, snapshot} = state;
  if (link.state === 'key') return <Key message={link.message} />;
  return (
    <>
      <LinkNotice link={link} />
      {snapshot &&
        <main class={link.state === 'live' ? '' : 'stale'}
              data-snapshot={snapshot.time_unix_ms}>
          <Title snapshot={snapshot} link={link} />
          {snapshot.status?.failure &&
            <p class="notice">ended: {snapshot.status.failure}</p>}
          <Figures snapshot={snapshot} />
          <TokenBar snapshot={snapshot} />
          <Devices snapshot={snapshot} />
          <Plots history={state.history} />
          <PlanGrid snapshot={snapshot} />
          <Events events={state.events} />
          <Chat ready={link.state === 'live' && !!snapshot.status?.ready}
                model={snapshot.status?.model_name ?? ''} />
        </main>}
    </>
  );
}

function draw(): void {
  render(<App />, document.getElementById('app')!);
}

draw();
void followForever(draw);
