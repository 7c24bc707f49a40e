// Dashboards as Grafana has them, by the types of its own schema, and more strictly than there: each kind of panel with the
// options of its kind. `check.sh` holds the files in deploy/grafana against `Dashboard`.

import type * as grafana from '@grafana/schema';
import type * as barGauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as stateTimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** A type as JSON has it: the text of an enum in place of its member. */
type Json<T> = T extends string
  ? `${T}`
  : T extends object
    ? { [Field in keyof T]: Json<T[Field]> }
    : T;

type Nothing = Record<string, never>;

/** The options of a kind of panel, and what it takes for each series. */
interface Kinds {
  bargauge: [barGauge.Options, Nothing];
  heatmap: [heatmap.Options, heatmap.FieldConfig];
  stat: [stat.Options, Nothing];
  'state-timeline': [stateTimeline.Options, stateTimeline.FieldConfig];
  table: [table.Options, table.FieldConfig];
  timeseries: [timeSeries.Options, timeSeries.FieldConfig];
}

/** Of Prometheus: the schema leaves queries to the plugins of data sources. */
interface Query extends grafana.DataQuery {
  editorMode: 'builder' | 'code';
  expr: string;
  format?: 'heatmap' | 'table' | 'time_series';
  instant?: boolean;
  interval?: string;
  legendFormat?: string;
  range: boolean;
}

type Defaults<Custom> = Omit<grafana.FieldConfig, 'custom'> & { custom: Custom };

type PanelOf<Kind extends keyof Kinds> = Omit<grafana.Panel, 'fieldConfig' | 'options' | 'targets' | 'type'> & {
  fieldConfig: Omit<grafana.FieldConfigSource, 'defaults'> & { defaults: Defaults<Kinds[Kind][1]> };
  options: Kinds[Kind][0];
  targets: Query[];
  type: Kind;
};

type Panel = { [Kind in keyof Kinds]: PanelOf<Kind> }[keyof Kinds];

/** `expr` and what is beside it are read by Grafana 11, `target` by later versions. */
type Annotation = Omit<grafana.AnnotationQuery, 'target'> & {
  expr?: string;
  step?: string;
  tagKeys?: string;
  target?: Query;
  textFormat?: string;
  titleFormat?: string;
};

export type Dashboard = Json<
  Omit<grafana.Dashboard, 'annotations' | 'panels'> & {
    annotations: { list: Annotation[] };
    panels: Array<Panel | grafana.RowPanel>;
  }
>;

// Were nothing checked any more, these would be no errors, which is one.
// @ts-expect-error: there is no such field
export const misspelt: Partial<Dashboard> = { grahpTooltip: 1 };
// @ts-expect-error: there is no such number
export const wrong: Partial<Dashboard> = { graphTooltip: 3 };
// @ts-expect-error: there is no such word
export const worded: Json<timeSeries.Options>['tooltip'] = { mode: 'many', sort: 'asc' };
