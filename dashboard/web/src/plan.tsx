// The plan: a row for each stage, a column for each rank.
import {num, shortBytes, stageName} from './format';
import type {PlanCell, Snapshot} from './types';

function Cell(props: {cell: PlanCell | undefined}) {
  const cell = props.cell;
  if (!cell) return <td class="faint">–</td>;
  return (
    <td class={cell.is_slowest ? 'slowest' : ''}
        data-cell={`${cell.stage}/${cell.rank}`}>
      <b data-field="cell_share">{(100 * cell.share).toFixed(0)} %</b>
      {cell.is_hub && <span class="hub"> hub</span>}
      <div class="faint">{shortBytes(num(cell.bytes))}</div>
      {cell.is_slowest && <div class="mark">▲ slowest</div>}
    </td>
  );
}

export function PlanGrid(props: {snapshot: Snapshot}) {
  const {snapshot} = props;
  const plan = snapshot.plan;
  return (
    <section aria-labelledby="plan-heading" class="plan">
      <h2 id="plan-heading">
        Plan <span class="faint">▲ the others wait for it</span>
      </h2>
      {!plan && <p class="faint">no model is loaded</p>}
      {plan &&
        <div class="scroll" tabIndex={0} role="group"
             aria-label="shares of the stages">
          <table>
            <thead>
              <tr>
                <th scope="col">stage</th>
                {plan.device_names.map((name) => (
                  <th key={name} scope="col">{name}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {plan.stages.map((_, stage) => (
                <tr key={stage}>
                  <th scope="row">{stageName(snapshot, stage)}</th>
                  {plan.device_names.map((name, rank) => (
                    <Cell key={name} cell={snapshot.cells.find(
                        (cell) => cell.stage === stage && cell.rank === rank)} />
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>}
    </section>
  );
}
