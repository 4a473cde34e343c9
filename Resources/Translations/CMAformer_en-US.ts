<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en_US" sourcelanguage="en_US">
<context>
    <name>BatchesSection</name>
    <message>
        <source>Segment many volumes with the chosen model, one after the other. One that fails does not stop the rest.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Several volumes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where the volumes are: in the scene, in a folder of files that need not be loaded, or in a sequence such as a cine.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volumes of the scene...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What is segmented, and what became of each.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volume</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>State</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Result</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Images whose result is in the folder for the results already are left alone. Without it those results are replaced.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep results that are there</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Of images that are DICOM series, the results are written as DICOM segmentation objects (SEG) in place of label maps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Write DICOM SEG</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segment one after the other.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segment all</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many volumes are done.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What happens now, or what to do next.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy what became of each, with the volumes of the structures in ml, for a spreadsheet.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy table</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volumes over the cycle, ejection fractions and mass of the segmented frames, corrections included.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cardiac function</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>CMAformerSegmentation</name>
    <message>
        <source>CMAformer Segmentation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>
Segments structures in CT and MR volumes with CMAformer, a network of convolutions and attention. It runs on this
computer, with or without a GPU; nothing is sent anywhere. For research, not for diagnosis.
See the &lt;a href=&quot;{url}&quot;&gt;documentation&lt;/a&gt;.
</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>
The network follows the CMAformer publication; see the extension&apos;s home page for the citation and the licenses.
</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>GPU</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>CPU</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Test skipped: {reason}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Test passed</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>CMAformerSegmentationLib.logic</name>
    <message>
        <source>Slicer was closed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no models on this computer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There is no model {id} on this computer.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>ComputerSection</name>
    <message>
        <source>What this computer can do: the processor or graphics card that runs the models, its memory, and how long it takes.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Install PyTorch, the library that runs the models, as the PyTorch extension does. Asks first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Install PyTorch...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Install PyTorch from a folder of wheel files that were downloaded on another computer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>From folder...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PyTorch is being installed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop the installation of PyTorch.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Installation log</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the installation prints.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>ModelsSection</name>
    <message>
        <source>Models</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the models whose title, structures or description contain this.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Search</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The models on this computer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Version</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>From</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take over a model from a zip file or a folder. Nothing in it is executed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Import</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Write the model into a zip file, to pass it on or to keep it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The folder of the model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Give the model another title.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rename...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Delete one of your own models.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Delete...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What was done, or what went wrong.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The card of the model: what it was trained on, how well it works, and where it should not be used.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>SegmentingSection</name>
    <message>
        <source>Segment</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Input volume:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The CT or MR volume to segment.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose a volume</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Load a volume from a file or from a folder of DICOM images, or a synthetic heart to try the module with.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Load...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Image 2:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Another image of the same patient, which the chosen model looks at, too.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Image 3:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Image 4:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Model:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What to segment, and on which kind of image.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the chosen model does.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The license of the model&apos;s weights.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>You are asked once for each license; without it the model is not used.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>I accept these terms</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the model was trained on, how well it works, and where it should not be used.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>About this model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The card of the chosen model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segmentation:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation that receives the result. Segments that you made yourself in it are kept.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Create new segmentation on Apply</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Region:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Only this box is segmented. In an earlier result, what lies outside of it stays as it is.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Whole volume</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Run on:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Automatic uses the GPU when there is one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segment the volume with the chosen model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Apply</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many slices are done.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What happens now, or what to do next.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The structures that were found, with their volumes.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Structure</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volume (ml)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Voxels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Mean intensity</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy the table, for a spreadsheet.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy table</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the result in the Segment Editor.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Correct...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Add the volume with this segmentation, as it is now, to the cases for fine-tuning. Correct it first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Learn from it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the slices of which the model is least sure, one after the other, the worst first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Review</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show where the model is unsure as a volume over the image. Segment again for a result of an earlier session.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Uncertainty</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Write the result to files, or add it to the DICOM study of the volume.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the structures of the result as surfaces in the 3D view.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show 3D</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>For reporting a problem: the last lines of the engine&apos;s log, and models that cannot be used.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Details</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Technical details, to copy into a report.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>TrainingSection</name>
    <message>
        <source>Fine-tune</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Add images, with or without segmentations.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Add cases</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the selected cases are used for.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use as</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take the selected cases out of the list. Volumes and files stay.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Remove</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take back the last change of the list.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Undo</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The cases of the training. Select several with Shift or Ctrl.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Case</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segmentation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Finding</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segments of the cases, and which structure each of them is. Correct what was not recognized.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segment</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cases</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Learn as</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start from:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model to start from. It is not changed; the result is a new model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Structures:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What to learn, by name, separated by commas. Empty: what the segmentations show; names of the base model are recognized. For label map files: names in the order of the values 1, 2, ...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>New model:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Name of the new model. No names of patients: a model may be passed on.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A name for it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Training time:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How long to train on this computer. Longer training helps until the curves flatten.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many minutes to train.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Settings that fit most trainings as they are.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Advanced</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Device:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where to train. A training needs a GPU for large tasks; small ones are done on the CPU in an hour.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Learning rate:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How far each step goes. Automatic is right for most; lower it when the loss jumps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Patches per step:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many pieces of slices the network sees at a time. More need more memory and time for each step.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Patch size:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Side of these pieces in pixels of the model. It should hold the structures with some of what is around them.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Unlabeled cases:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How the model labels unlabeled cases, to learn from them: as whole volumes now and then, cleaned up; or in pieces at every step, as a mean teacher does, which needs a GPU.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Weight of unlabeled:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much an unlabeled pixel counts beside a labeled one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Constraints:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Whether the shape of what is found in unlabeled cases is held within what the labeled cases show (Lagrange duality, Eq. 3 of the paper), and by which solver.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Weight of contrast:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Weight of the contrast between boundaries in unlabeled cases (Eq. 4 of the paper). 0 leaves it out.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Look at every case before the training: missing, duplicate, empty or unusual cases.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Check cases</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Which unlabeled cases to label next: with few labels the typical ones, with many those of which the model is unsure.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What to label next</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Train without the cases that have errors. They stay in the list, as ignored.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Leave out cases with errors</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Train in the background.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What is missing, or what would be trained.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>TrainingsSection</name>
    <message>
        <source>Trainings of this and of earlier sessions.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Training</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>State</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Progress</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many iterations are done.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the chosen training does, or how it ended.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save a checkpoint and stop for now, or go on from it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pause</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop the training. It can be resumed from its checkpoint.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Loss and Dice on the held-out cases, in the plot view.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show curves</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take the result over into your models. The base model stays.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep as new model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The folder with everything about this training.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Put the cases of this training into the list above, to train again with more labels.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use its cases</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A page to hand on: curves, before and after, and held-out cases with their outlines. It names nobody.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Report...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Delete the training with its files. A model that was kept stays.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Delete...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Means over the held-out cases, before and after. Dice: 1 is perfect. HD95: how far the surfaces are apart in mm. Volume: by how much it is too large in ml.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Structure</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>HD95 (mm)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volume (ml)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A case that was held out.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the case in the slice views: the old and the new result over the reference.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show case</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the training printed; for reporting a problem.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Log</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Technical details, to copy into a report.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>batches.batch</name>
    <message>
        <source>Name</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>State</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Remark</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stopping...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Starting...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{number} of {total}...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{number} of {total}, about {left} left.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{n} done</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{n} failed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{n} there before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{n} not done</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>waiting</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>running</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>done</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>failed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>not done</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>kept</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>batches.cardiacFunction</name>
    <message>
        <source>{name}: volumes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name}: cardiac function</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name}: volumes over the cycle</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volumes over the cycle</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>phase</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>End-diastole: phase {ed}; end-systole: phase {es}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Left ventricle: EDV {edv} ml, ESV {esv} ml, EF {ef} %.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Right ventricle: EDV {edv} ml, ESV {esv} ml, EF {ef} %.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Myocardium: {mass} g.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A frame has no segmentation.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Measurement</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Value</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Unit</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>batches.folder</name>
    <message>
        <source>Stopped.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Something unexpected happened: {error}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Image {n}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volumes are in {table} in the folder {name}.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>batches.panel</name>
    <message>
        <source>Volumes of the scene...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folder of files...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>All frames of the sequence</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The module was closed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segment all</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segment one after the other.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folder of the images</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folder for the results</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation engine cannot be started. Check the Python program in the settings.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A volume is being segmented. Wait, or cancel that.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model looks at several images of a patient: segment one patient at a time, or a folder.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no volumes in the scene.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Check the volumes to segment.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The images of the folder {images}; the results go into the folder {output}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{count} frames of {name}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{chosen} of {total} volumes are checked.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>batches.sequence</name>
    <message>
        <source>{name} {value} {unit}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Frame of {sequence}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The frame was deleted.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A hidden node of the scene was deleted. Segment the sequence again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{sequence} segmentation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The sequence was deleted.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>This Slicer was built without sequences.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose a volume that is a frame of a sequence.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The sequence is empty.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The sequence has no volumes.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>batches.volumes</name>
    <message>
        <source>Stopped.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation was interrupted.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Something unexpected happened: {error}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The scene was closed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume was deleted.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>cases.adding</name>
    <message>
        <source>Volumes of the scene</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Files...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folder...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no further volumes in the scene.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volumes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Add images and label maps</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no images among these files.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Add the cases of a folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looking into the folder...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no further cases in the folder.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>further channels or times of images, or label maps without an image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Not used: {count} files ({names}); they are {why}.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>cases.case</name>
    <message>
        <source>A case has no image.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{case}: a labeled or held-out case needs a segmentation.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{case}: {problem}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>give the label map as a file, too, or load the image.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>the file {name} does not exist.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>choose a volume as the image.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>load the label map, too, or give both as files.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>the label map is empty.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>choose a segmentation.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>the segmentation is empty.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>the segmentation is made of surfaces; create its binary label map in the module Segmentations.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>image and segmentation are under different transforms that are not linear; harden them first.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>cases.export</name>
    <message>
        <source>{case} cannot be written: {error}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{case} was removed from the scene before it was saved.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>cases.folder</name>
    <message>
        <source>There are no images in the folder {name}.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>cases.list</name>
    <message>
        <source>The list of cases of this training is not there any more.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The list of the scene was too long, and is replaced.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A list has {count} cases at most. Train from a longer one on the command line, with a cases.json.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>cases.segmentsTable</name>
    <message>
        <source>What the model learns of this segment.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>(leave out)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>cases.structures</name>
    <message>
        <source>Say what the values of the label maps mean: classes=[&apos;liver&apos;, ...].</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>cases.table</name>
    <message>
        <source>labeled</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>unlabeled</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>held out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>ignored</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model learns from image and segmentation.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model learns from the image alone.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Never trained on: shows how good the model is, before and after.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stays in the list, and out of the training.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Click to change.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>computer.card</name>
    <message>
        <source>PyTorch is being installed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Install another PyTorch...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go on installing PyTorch...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Install PyTorch...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PyTorch, the library that runs the models, will be downloaded and installed into Slicer: about 0.2 GB, and up to 3 GB for a computer with an NVIDIA graphics card. Slicer can be used meanwhile. Install it?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Installing the PyTorch extension...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folder with the wheels of PyTorch and of what it needs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The installation of PyTorch was cancelled.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Installing PyTorch, {time} so far. Slicer can be used meanwhile. {line}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The installation of PyTorch was not finished. Use the button to go on.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PyTorch, the library that runs the models, is not installed yet. It is needed once.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>It could not be found out what this computer can do. Segmenting may work all the same.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looking at this computer...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PyTorch {version}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>about {time} for this volume</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PyTorch {version} or newer is wanted.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The graphics card does not work with this PyTorch ({why}), so the CPU is used.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There is an NVIDIA graphics card, but this PyTorch is for the CPU alone.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>computer.probe</name>
    <message>
        <source>CPU with 1 core</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>CPU with {cores} cores</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>computer.torchInstaller</name>
    <message>
        <source>The server of PyTorch cannot be reached from this computer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The disk is full.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Make room for some gigabytes, and try again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Install Slicer in a folder with a short name, such as C:/Slicer, and try again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Paths in Slicer&apos;s folder are too long for Windows.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Close other Slicer windows. Where Slicer was installed by somebody else, ask them to install PyTorch.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Slicer&apos;s folder cannot be written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No version of PyTorch that fits was found there.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PyTorch could not be installed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The log below says why.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Set the proxy of your hospital (environment variable HTTPS_PROXY) and try again. Or run this on a computer with Internet and the same operating system (0.2 GB, for the processor; with cu128 instead of cpu for an NVIDIA card, some gigabytes), bring the folder wheels here, and press From folder: {command}</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>jobs.engineCall</name>
    <message>
        <source>{name}: the engine stopped: {words}</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>jobs.engineProcess</name>
    <message>
        <source>The computer ran out of memory and stopped the segmentation.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Close other programs, or crop the volume, and try again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation engine cannot write into the folder of its job.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Is the disk full? Free some space, then press Apply again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation engine crashed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Try again with the CPU. The details below help to report the problem.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation engine stopped before it was done.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Try again. The details below help to report the problem.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>jobs.environment</name>
    <message>
        <source>This computer seems to have a usable GPU.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No GPU was found; the CPU will be used.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The Python program in the settings (CMAformer/PythonExecutable) cannot be run. Correct the setting.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The Python program in the settings has no PyTorch. Install it there, or clear the setting.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PyTorch is needed and not installed yet. Use the button at the top of the panel.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>models.catalog</name>
    <message>
        <source>Another model has the same id, {id}; that one is used.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The file model.json is missing.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model is made for another version of CMAformer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model is damaged ({what}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The file weights.pt is missing.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>models.index</name>
    <message>
        <source>This is no index of models.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The index offers no model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} is too large for a model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The file is not the one that the index describes: it has another checksum.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} leads to another server.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} cannot be read: {reason}.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>models.library</name>
    <message>
        <source>{name} is not a zip file, or it is damaged.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Give the model a title.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} is a link, or no regular file; a model has neither.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The weights of the model are damaged: they are not those that its description names.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} holds more than one model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} is too large for a model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>This model comes with the extension and cannot be changed.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>models.panel</name>
    <message>
        <source>Zip file...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Model folder...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Index of models...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>extension</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>mine</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rename the model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Title:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Delete the model {title} from this computer? This cannot be undone.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export the model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Zip files</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Exported to {name}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Import a model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Models of an index</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>File or address of the index, as your hospital gives it:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Working...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Model:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Get {title} from {host}? License: {license}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>not stated</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model is in the list.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>scene.labelLayers</name>
    <message>
        <source>Image and segmentation are under different transforms that are not linear.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>the label map has values that are no whole numbers; give the segmentation itself.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>the label map holds {values}, which are no structures.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>its segments overlap in {count} voxels, and a voxel has one structure.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Separate them in the Segment Editor (Logical operators), or leave one out.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>scene.loading</name>
    <message>
        <source>{name} does not exist.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} cannot be read as a volume.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no DICOM images in the folder {name}.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>scene.nodes</name>
    <message>
        <source>Choose a volume to segment.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume is empty. Choose another one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>This is a label map, not an image. Choose another volume.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume has {count} values per voxel (color or vector). Choose one with a single value.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The axes of the volume are not perpendicular (gantry tilt?). Resample it first (Resample Scalar Volume).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The chosen result is made of surfaces. Choose another one, or create a new segmentation.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The chosen result has segments under another transform. Create a new segmentation instead.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{volume} segmentation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{volume} (to learn from)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>scene.sampleData</name>
    <message>
        <source>Sample data: synthetic heart</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drawing a synthetic heart. This takes a few seconds.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The synthetic heart could not be drawn: {reason}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sample data: synthetic abdomen (CT)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drawing a synthetic abdomen. This takes a few seconds.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The synthetic abdomen could not be drawn: {reason}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>CMAformer Segmentation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} is loaded.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.dicomExport</name>
    <message>
        <source>This Slicer cannot export DICOM segmentations. Use Slicer 5.12 or later, or export a label map.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume was not loaded from DICOM, so that there is no study to add to. Load it from the DICOM module and segment it there, or export a label map.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The DICOM images of the volume are not in Slicer&apos;s DICOM database. Import them in the DICOM module, load the volume from there, and segment it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume belongs to no study in the module Data. Load it from the DICOM module and segment it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation was set to another geometry than the volume&apos;s. Segment the volume again.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.export</name>
    <message>
        <source>Choose a name that ends in {suffixes}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} is there already. Choose another name.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The surface of {name} cannot be written to the folder.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.exportPanel</name>
    <message>
        <source>Label map (NRRD, NIfTI)...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Surfaces (STL)...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Table (CSV)...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Report (HTML)...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DICOM SEG...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export the label map</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Exported to {name}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Not in it, as they are not of the model: {names}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where structures overlap, it has only one of them.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export the table</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Tables</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export a report</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pages</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export surfaces to a folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Exported to DICOM.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Preparing...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Writing {name}...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation was deleted before all its surfaces were written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Writing surface {number} of {count}...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Exported {count} surfaces to {name}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There is nothing to export: all structures are empty.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} cannot be written ({reason}). Choose another folder.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.fileProblem</name>
    <message>
        <source>Try again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The temporary folder cannot be used ({reason}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Free some disk space and try again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Something unexpected happened: {error}</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.loadMenu</name>
    <message>
        <source>Volume file...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DICOM folder...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volumes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>All files</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Load a volume</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Load a folder of DICOM images</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.otherImages</name>
    <message>
        <source>{image}:</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.panel</name>
    <message>
        <source>Cancel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Apply</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop the segmentation.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segment the volume with the chosen model.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no models on this computer. Install the extension again, or add a model folder.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Read the terms of the model, and accept them first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Several volumes are being segmented. Wait, or cancel that.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model looks at more images than the panel can show: use the Python console.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Load... takes one from a file, or a sample.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Ready. Press Apply to segment the volume.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Terms of this model: {terms}</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.region</name>
    <message>
        <source>The region is not placed yet. Place it in the slice views, or choose the whole volume.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A transform that is not linear lies between the region and the volume. Harden it first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The region lies outside of the volume. Move it onto what is to be segmented.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.regionResult</name>
    <message>
        <source>The chosen result is not on the grid of the volume, so that it could not be kept outside of the region. Create a new segmentation instead.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Only the region was segmented; outside of it the earlier result was kept.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Only the region was segmented.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.request</name>
    <message>
        <source>The volume is {found}, and the model is for {wanted}: do not rely on the result.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model looks at one image, and several were given.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>fewer images</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model looks at {names} of the same patient. Choose, too: {missing}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The same volume is chosen for two images. Choose {names} of the same patient.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Its transform and that of the first image are not rigid to each other. Harden them first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name}: {problem}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model looks at {names}; volumes of these names are needed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>one image</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.resultPanel</name>
    <message>
        <source>{name} shows where the model is unsure. The module Data hides or deletes it.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.review</name>
    <message>
        <source>{volume} uncertainty (%)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model was sure everywhere. Look at every slice all the same.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Review {number} of {count}: slice {slice}. {leastSure}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>In the whole volume, the model is least sure of: {name} (expected Dice {dice}).</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.segmentation</name>
    <message>
        <source>The segmentation was cancelled.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Something unexpected happened: {error}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation was interrupted.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Check the Python program in the settings, or install the extension again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentation engine cannot be started.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume was changed to another size meanwhile, so that the result does not fit any more.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segment it again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume was changed meanwhile: the result belongs to how it was before.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The chosen segmentation was corrected: it was kept, and the result is in a new one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The result is in a new segmentation, because the chosen one was changed meanwhile.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The scene was closed, so the segmentation was stopped.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume was deleted, so the segmentation was stopped.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The chosen result was deleted, so the segmentation was stopped.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.structuresTable</name>
    <message>
        <source>Structure</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Volume (ml)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Voxels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Mean intensity</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} (corrected)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.taskRunner</name>
    <message>
        <source>Slicer was closed.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>segmenting.words</name>
    <message>
        <source>Stopping...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Preparing the volume...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Loading the model... The first time takes a little longer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Showing the result...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No progress for over a minute at slice {done} of {total}. Wait, or cancel and try the CPU.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Finishing the result...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segmenting: slice {done} of {total}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segmenting: slice {done} of {total}, about {left} left.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Look at every slice. After correcting, press Learn from it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Done in {time}, but none of the model&apos;s structures was found. Is it the right kind of image?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Done in {time}: 1 structure.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Done in {time}: {count} structures.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.charts</name>
    <message>
        <source>{name}: loss</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>loss</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name}: Dice on held-out cases</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>iteration</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>CMAformer training: {part}</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.check</name>
    <message>
        <source>Saving the cases: {done} of {total}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looking at the cases...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The check found problems that must be solved first: {errors}; further remarks: {others}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The check found nothing that stops a training; remarks: {others}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No problems found.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The check was stopped.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The cases cannot be checked ({reason}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Check the Python program in the settings.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The check stopped before it was done.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>About {steps} training steps fit into the time on this computer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>That is short: 30 minutes are recommended.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.heldOutView</name>
    <message>
        <source>The training has no result yet.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The file {name} is not there any more.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>after</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The volume was removed from the scene meanwhile.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The reference lies on another grid than the image.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>reference</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.job</name>
    <message>
        <source>The folder of this training was deleted.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start a new one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The training was paused.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The training was stopped.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>It can go on from where it was.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Only a training that was stopped can be resumed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The cases of this training were not saved completely. Start a new one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop the training before it is deleted.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A case is just being saved. Try again in a moment.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The training has no result yet.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The training was stopped before its cases were saved.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.list</name>
    <message>
        <source>Resume</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pause</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop the training? What it has learned so far is saved, and it can be resumed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keeping the model...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Kept: {title} is in the lists of models.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segmenting {name} with both models...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>White outline: reference. Cyan outline: before. Filled: after.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Delete this training with its copies of images and its result? A model that you kept stays.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Write a report</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pages</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Exported to {name}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Writing {name}...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The curves are in the module Plots.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.panel</name>
    <message>
        <source>None: start afresh</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Accept the terms of the model that it starts from in the section Segment first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>liver, tumor, ...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop checking</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Check cases</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Train in the background. Slicer stays usable, and may be closed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Added as a labeled case.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>These cases are in the list already.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The new training is in the list below.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Add cases: images with a segmentation, and as many without as you have.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Name the structures in the order of the values 1, 2, ... of the label maps.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.plan</name>
    <message>
        <source>{counts}. About {time} on this computer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>With so few labels expect a draft to correct. Dice of hearts by labeled patients, measured: {known}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>With five labeled patients or more, a fifth is held out to measure the result.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>So few held-out cases cannot tell whether the new model is better.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.problems</name>
    <message>
        <source>Slicer was closed before the cases of this training were saved.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Delete it and start a new one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The cases cannot be saved ({reason}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Free some disk space and start again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>It can be resumed from its last checkpoint.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The training was ended from outside; most often the computer had run out of memory.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Close other programs, then resume it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The training crashed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The training could not go on. The log tells why.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The training was interrupted.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.queue</name>
    <message>
        <source>The training cannot be started ({reason}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Check the Python program in the settings, and the disk; then resume it.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.quitting</name>
    <message>
        <source>CMAformer Segmentation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A training is not done yet: {names}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>It can go on without Slicer, and waits in the list when Slicer is open again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Its cases are still being saved from the scene; that is lost when Slicer is closed now.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go on without Slicer</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pause the training</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep Slicer open</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.ranking</name>
    <message>
        <source>Choose a model in Start from: what it is unsure of is to be labeled next.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Accept the terms of the model that it starts from in the section Segment first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no unlabeled cases to choose from.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Segmenting the cases, to see where the model is unsure...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The column Finding says in which order to label the unlabeled cases, and why.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No. {rank}: the model is least sure of {name} (expected Dice {dice}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No. {rank}: like many without labels. The model is least sure of {name} (expected Dice {dice}).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} is larger than in the labeled ones.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name} is smaller than in the labeled ones.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.request</name>
    <message>
        <source>Give the new model a name with letters or digits.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A training needs more than 0 minutes.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model to start from looks at several images of a patient: train it with the command train.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>At least one labeled case is needed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The segmentations hold no structure to learn.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The values of the structures must be 1, 2, 3 and so on, without gaps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{case}: the role {role} is unknown.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.settings</name>
    <message>
        <source>Quick: 10 minutes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Standard: 1 hour</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Thorough: 4 hours</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Minutes:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>GPU</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>CPU</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Label whole volumes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Mean teacher on patches</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>None</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Quadratic penalty</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Augmented Lagrangian</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Logarithmic barrier</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>training.words</name>
    <message>
        <source>stopping</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>preparing</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>reading</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>waiting</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>running</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>paused</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>stopped</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>interrupted</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>failed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>finished</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Saving a checkpoint, then it stops...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Saving the cases: {done} of {total}. Slicer must stay open meanwhile.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading what it has told...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Waits for the training before it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No sign of life for over a minute. Wait, or stop it and resume. The log below may tell why.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looking at the cases...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Preparing the slices: case {done} of {total}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Starting...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Learning from the labeled cases</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Learning from labeled and unlabeled cases</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Learning</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Measuring the result on the held-out cases...</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{phase}: iteration {done} of {total}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>about {left} left</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice on the held-out cases: {dice}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Finished in {time}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No case was held out, so it is not known how good it is.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep as new model offers it in the section Segment.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice {change} on {count} held-out cases: too few to tell better from worse. Hold out 3 or more.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Better than its base: Dice {change} ({low} to {high}, 95 %) on {count} held-out cases.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>About the same as its base: Dice {change} ({low} to {high}, 95 %) on {count} held-out cases.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Worse than its base: Dice {change} ({low} to {high}, 95 %) on {count} held-out cases.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>widgets.duration</name>
    <message>
        <source>{seconds} s</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{minutes} min {seconds} s</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{hours} h {minutes} min</source>
        <translation type="unfinished"></translation>
    </message>
</context>
</TS>
